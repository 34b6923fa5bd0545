// CimCreateImage: what the two names mean, and who may open what.
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "support/forged_executable.h"

namespace cim::capi_test {
namespace {

using CreateImageTest = CapiTest;

// Runs `body` in a child process, as another user if this one is root; returns whether `body`
// returned true.
template <typename Body>
bool holds_for_unprivileged_process(Body body) {
  constexpr uid_t nobody = 65534;
  const pid_t child = fork();
  if (child == 0) {
    const bool dropped = geteuid() != 0 || setresuid(nobody, nobody, nobody) == 0;
    _exit(dropped && body() ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// A process that opens an image in `directory` and keeps it open until it is told to die.
class OtherWriter {
 public:
  explicit OtherWriter(const std::u16string& directory) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return;
    child_ = fork();
    if (child_ == 0) {
      CIMFS_IMAGE_HANDLE image = nullptr;
      const HRESULT result = CimCreateImage(directory.c_str(), nullptr, u"other.cim", &image);
      const char report = result == S_OK ? 'y' : 'n';
      if (write(fds[1], &report, 1) == 1) pause();
      _exit(0);
    }
    char report = 'n';
    has_image_ = read(fds[0], &report, 1) == 1 && report == 'y';
    close(fds[0]);
    close(fds[1]);
  }
  ~OtherWriter() { kill(); }

  bool has_image() const { return has_image_; }
  void kill() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = -1;
  }

 private:
  pid_t child_ = -1;
  bool has_image_ = false;
};

TEST_F(CreateImageTest, NewNameOnlyStartsFromScratch) {
  ImageHandle image;
  ASSERT_EQ(S_OK, create_image(nullptr, u"a.cim", image));
  ASSERT_NE(nullptr, image.get());
  ASSERT_EQ(S_OK, CimCommitImage(image.get()));

  const Image committed = open_image("a.cim");
  EXPECT_EQ(0u, committed.entries(committed.file(committed.root())).size());
}

// Adds a file `g` to the image `existing`, naming the images as given.
void extend(const std::u16string& directory, PCWSTR existing, PCWSTR name) {
  ImageHandle image;
  ASSERT_EQ(S_OK, CimCreateImage(directory.c_str(), existing, name, image.out()));
  StreamHandle stream;
  const auto metadata = file_metadata(0);
  ASSERT_EQ(S_OK, CimCreateFile(image.get(), u"g", &metadata, stream.out()));
  stream.close();
  ASSERT_EQ(S_OK, CimCommitImage(image.get()));
}

TEST_F(CreateImageTest, ExistingNameOnlyReplacesThatImage) {
  commit_image(u"a.cim", "old");
  extend(directory16(), u"a.cim", nullptr);

  const Image committed = open_image("a.cim");
  EXPECT_EQ("old", contents(committed, u"f"));
  EXPECT_TRUE(has_path(committed, u"g"));
}

TEST_F(CreateImageTest, EqualNamesReplaceThatImage) {
  commit_image(u"a.cim", "old");
  extend(directory16(), u"a.cim", u"a.cim");

  const Image committed = open_image("a.cim");
  EXPECT_EQ("old", contents(committed, u"f"));
  EXPECT_TRUE(has_path(committed, u"g"));
}

TEST_F(CreateImageTest, DifferentNamesForkAndKeepTheExistingImage) {
  commit_image(u"a.cim", "old");
  extend(directory16(), u"a.cim", u"b.cim");

  const Image base = open_image("a.cim");
  const Image fork = open_image("b.cim");
  EXPECT_EQ("old", contents(base, u"f"));
  EXPECT_FALSE(has_path(base, u"g"));
  EXPECT_EQ("old", contents(fork, u"f"));
  EXPECT_TRUE(has_path(fork, u"g"));
}

class CreateImageFlagsTest : public CreateImageTest {
 protected:
  HRESULT create(CIM_CREATE_IMAGE_FLAGS flags) const {
    ImageHandle image;
    return CimCreateImage2(directory16().c_str(), flags, nullptr, u"a.cim", image.out());
  }
};

TEST_F(CreateImageFlagsTest, WhatCanBeDoneIsAccepted) {
  for (const UINT32 flags : {0x0, 0x1, 0x10, 0x11}) {
    EXPECT_EQ(S_OK, create(CIM_CREATE_IMAGE_FLAGS{flags})) << flags;
  }
}

TEST_F(CreateImageFlagsTest, OtherKindsOfImagesAreNotSupported) {
  for (const UINT32 flags : {0x2, 0x4, 0x8, 0x40, 0x13, 0x4E}) {
    EXPECT_EQ(not_supported, create(CIM_CREATE_IMAGE_FLAGS{flags})) << flags;
  }
}

TEST_F(CreateImageFlagsTest, UnknownFlagsAreInvalid) {
  for (const UINT32 flags : {0x20u, 0x80u, 0x21u, 0x22u, 0x80000000u}) {
    EXPECT_EQ(E_INVALIDARG, create(CIM_CREATE_IMAGE_FLAGS{flags})) << flags;
  }
}

TEST_F(CreateImageFlagsTest, ImagesAreForkedAsWithoutFlags) {
  commit_image(u"a.cim", "old");
  ImageHandle image;
  ASSERT_EQ(S_OK, CimCreateImage2(directory16().c_str(), CIM_CREATE_IMAGE_NONE, u"a.cim", u"b.cim",
                                  image.out()));
  ASSERT_EQ(S_OK, CimCommitImage(image.get()));
  EXPECT_EQ("old", contents(open_image("b.cim"), u"f"));
  EXPECT_EQ(E_POINTER, CimCreateImage2(directory16().c_str(), CIM_CREATE_IMAGE_NONE, nullptr,
                                       u"c.cim", nullptr));
}

// Writes `text` to the file `f` and the stream `f:s` of an image made with `flags`.
void write_executable(const std::u16string& directory, CIM_CREATE_IMAGE_FLAGS flags, PCWSTR name,
                      const std::string& text) {
  ImageHandle image;
  ASSERT_EQ(S_OK, CimCreateImage2(directory.c_str(), flags, nullptr, name, image.out()));
  const auto metadata = file_metadata(static_cast<INT64>(text.size()));
  const auto write = [&](StreamHandle& stream) {
    const std::size_t half = text.size() / 2;
    const auto rest = static_cast<UINT32>(text.size() - half);
    ASSERT_EQ(S_OK, CimWriteStream(stream.get(), text.data(), static_cast<UINT32>(half)));
    ASSERT_EQ(S_OK, CimWriteStream(stream.get(), text.data() + half, rest));
  };
  StreamHandle file;
  ASSERT_EQ(S_OK, CimCreateFile(image.get(), u"f", &metadata, file.out()));
  write(file);
  file.close();
  StreamHandle stream;
  ASSERT_EQ(S_OK, CimCreateAlternateStream(image.get(), u"f:s", text.size(), stream.out()));
  write(stream);
  stream.close();
  ASSERT_EQ(S_OK, CimCommitImage(image.get()));
}

TEST_F(CreateImageFlagsTest, ExecutablesAreExpandedUnlessAFlagSaysNotTo) {
  const std::string text = test::ForgedExecutable(100).bytes();
  write_executable(directory16(), CIM_CREATE_IMAGE_NONE, u"a.cim", text);
  write_executable(directory16(), CIM_CREATE_DO_NOT_EXPAND_PE_IMAGES, u"b.cim", text);
  const Image expanded = open_image("a.cim");
  const Image plain = open_image("b.cim");
  EXPECT_EQ(StreamType::pe_image, file_at(expanded, u"f").stream.type);
  EXPECT_EQ(StreamType::data, file_at(plain, u"f").stream.type);
  for (const Image* image : {&expanded, &plain}) {
    EXPECT_EQ(text, contents(*image, u"f"));
    EXPECT_EQ(text, stream_contents(*image, u"f", u"s"));
  }
}

// As DEFINE_ENUM_FLAG_OPERATORS has them; `one` and `other` differ.
template <typename Flags>
bool has_flag_operators(Flags one, Flags other) {
  Flags flags = one | other;
  if ((flags & one) != one || (flags ^ one) != other || (flags & ~one) != other) return false;
  flags ^= one;
  if (flags != other) return false;
  flags |= one;
  flags &= ~other;
  return flags == one;
}

TEST(FlagsTest, AreCombinedWithoutCasts) {
  EXPECT_TRUE(has_flag_operators(CIM_CREATE_DO_NOT_EXPAND_PE_IMAGES, CIM_CREATE_IMAGE_BLOCK_CIM));
  EXPECT_TRUE(has_flag_operators(CIM_MOUNT_CHILD_ONLY, CIM_MOUNT_VERIFIED_CIM));
}

TEST_F(CreateImageTest, NamesThatDifferOnlyByCaseAreOneName) {
  commit_image(u"a.cim", "old");
  const Image committed = open_image("a.cim");
  EXPECT_FALSE(committed.case_sensitive());
  EXPECT_EQ("old", contents(committed, u"F"));
}

TEST_F(CreateImageTest, MissingOrMalformedNamesAreInvalid) {
  ImageHandle image;
  EXPECT_EQ(E_INVALIDARG, create_image(nullptr, nullptr, image));
  EXPECT_EQ(E_INVALIDARG, create_image(nullptr, u"", image));
  EXPECT_EQ(E_INVALIDARG, create_image(u"", u"a.cim", image));
  EXPECT_EQ(E_INVALIDARG, create_image(nullptr, u"sub/a.cim", image));
  EXPECT_EQ(E_INVALIDARG, create_image(nullptr, u"..", image));
  const char16_t lone_surrogate[] = {u'a', 0xD800, u'b', 0};
  EXPECT_EQ(E_INVALIDARG, create_image(nullptr, lone_surrogate, image));
  EXPECT_EQ(E_INVALIDARG, CimCreateImage(nullptr, nullptr, u"a.cim", image.out()));
  EXPECT_EQ(E_INVALIDARG, CimCreateImage(u"", nullptr, u"a.cim", image.out()));
  EXPECT_TRUE(directory_entries().empty());
}

TEST_F(CreateImageTest, NullHandlePointerIsAPointerError) {
  EXPECT_EQ(E_POINTER, CimCreateImage(directory16().c_str(), nullptr, u"a.cim", nullptr));
}

TEST_F(CreateImageTest, FailureClearsTheHandle) {
  auto handle = reinterpret_cast<CIMFS_IMAGE_HANDLE>(this);
  EXPECT_EQ(E_INVALIDARG, CimCreateImage(directory16().c_str(), nullptr, nullptr, &handle));
  EXPECT_EQ(nullptr, handle);
}

TEST_F(CreateImageTest, MissingDirectoryIsPathNotFound) {
  ImageHandle image;
  const std::u16string missing = directory16() + u"/missing";
  EXPECT_EQ(path_not_found, CimCreateImage(missing.c_str(), nullptr, u"a.cim", image.out()));
  std::ofstream(directory() + "/file") << "not a directory";
  const std::u16string file = directory16() + u"/file";
  EXPECT_EQ(path_not_found, CimCreateImage(file.c_str(), nullptr, u"a.cim", image.out()));
}

TEST_F(CreateImageTest, MissingExistingImageIsFileNotFound) {
  ImageHandle image;
  EXPECT_EQ(file_not_found, create_image(u"a.cim", nullptr, image));
  EXPECT_EQ(file_not_found, create_image(u"a.cim", u"a.cim", image));
  EXPECT_EQ(file_not_found, create_image(u"a.cim", u"b.cim", image));
}

TEST_F(CreateImageTest, TakenNewNameIsFileExists) {
  commit_image(u"a.cim", "old");
  commit_image(u"b.cim", "other");
  ImageHandle image;
  EXPECT_EQ(file_exists, create_image(nullptr, u"a.cim", image));
  EXPECT_EQ(file_exists, create_image(u"a.cim", u"b.cim", image));
  EXPECT_EQ("other", contents(open_image("b.cim"), u"f"));
}

TEST_F(CreateImageTest, ForeignExistingFileIsCorrupt) {
  std::ofstream(directory() + "/a.cim") << "this is not an image";
  ImageHandle image;
  EXPECT_EQ(image_corrupt, create_image(u"a.cim", nullptr, image));
}

TEST_F(CreateImageTest, UnwritableDirectoryIsAccessDenied) {
  std::filesystem::permissions(directory(), std::filesystem::perms(0555));
  EXPECT_TRUE(holds_for_unprivileged_process([&] {
    ImageHandle image;
    return create_image(nullptr, u"a.cim", image) == E_ACCESSDENIED;
  }));
  std::filesystem::permissions(directory(), std::filesystem::perms(0755));
}

TEST_F(CreateImageTest, SecondHandleForADirectoryIsSharingViolation) {
  ImageHandle first;
  ImageHandle second;
  ASSERT_EQ(S_OK, create_image(nullptr, u"a.cim", first));
  EXPECT_EQ(sharing_violation, create_image(nullptr, u"b.cim", second));
  EXPECT_EQ(sharing_violation, create_image(nullptr, u"a.cim", second));

  EXPECT_EQ(S_OK, CimCommitImage(first.get()));
  EXPECT_EQ(sharing_violation, create_image(nullptr, u"b.cim", second));
  first.close();
  EXPECT_EQ(S_OK, create_image(nullptr, u"b.cim", second));
}

TEST_F(CreateImageTest, HandleOfAnotherProcessIsSharingViolation) {
  OtherWriter other(directory16());
  ASSERT_TRUE(other.has_image());
  ImageHandle image;
  EXPECT_EQ(sharing_violation, create_image(nullptr, u"a.cim", image));
  other.kill();
  EXPECT_EQ(S_OK, create_image(nullptr, u"a.cim", image));
}

TEST_F(CreateImageTest, DirectoriesDoNotDisturbEachOther) {
  std::filesystem::create_directory(directory() + "/sub");
  ImageHandle first;
  ImageHandle second;
  ASSERT_EQ(S_OK, create_image(nullptr, u"a.cim", first));
  const std::u16string sub = directory16() + u"/sub";
  EXPECT_EQ(S_OK, CimCreateImage(sub.c_str(), nullptr, u"a.cim", second.out()));
}

TEST_F(CreateImageTest, HostNamesAreUtf8WithEscapedBytes) {
  const std::string sub = directory() + "/\xC3\xBC\xF0\x9F\x98\x80\xFF";
  std::filesystem::create_directory(sub);
  // U+DCFF is the byte FF; U+F03A is a character of its own, not a forbidden one in disguise.
  std::u16string sub16 = directory16() + u"/\u00FC\U0001F600";
  sub16 += char16_t{0xDCFF};
  ImageHandle image;
  ASSERT_EQ(S_OK, CimCreateImage(sub16.c_str(), nullptr, u"\u20AC\uF03A.cim", image.out()));
  ASSERT_EQ(S_OK, CimCommitImage(image.get()));
  EXPECT_NO_THROW(Image(sub + "/\xE2\x82\xAC\xEF\x80\xBA.cim"));
}

}  // namespace
}  // namespace cim::capi_test
