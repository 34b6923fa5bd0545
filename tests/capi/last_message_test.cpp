// CimGetLastErrorMessage: what it says, of which call, and where it fits.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "fixture.h"
#include "support/environment.h"

namespace cim::capi_test {
namespace {

namespace fs = std::filesystem;

constexpr HRESULT more_data = HRESULT_FROM_WIN32(ERROR_MORE_DATA);
constexpr GUID no_volume = {0x93b0cd58, 0x86b0, 0x43fa, {0x82, 0x0e, 0x2e, 0x42, 1, 2, 3, 4}};

std::string last_message() {
  std::array<char, 1024> buffer;
  EXPECT_EQ(S_OK, CimGetLastErrorMessage(buffer.data(), buffer.size()));
  return buffer.data();
}

// Leaves a message that no other call leaves.
void fail_to_delete(CIMFS_IMAGE_HANDLE image) {
  ASSERT_EQ(path_not_found, CimDeletePath(image, u"missing"));
}

class LastMessage : public OpenImageTest {
 protected:
  std::string missing() const { return directory() + "/a.cim: missing: no such file or directory"; }
};

TEST_F(LastMessage, IsEmptyInAThreadWhereNothingHasFailed) {
  std::string message = "x";
  std::thread([&] {
    EXPECT_TRUE(exists(u"\\"));
    message = last_message();
  }).join();
  EXPECT_EQ("", message);
}

TEST_F(LastMessage, NamesTheImageTheFileAndTheReason) {
  fail_to_delete(image());
  EXPECT_EQ(missing(), last_message());
}

TEST_F(LastMessage, IsThatOfTheLastFailure) {
  fail_to_delete(image());
  add_file(u"f", "x");
  EXPECT_TRUE(exists(u"f"));
  EXPECT_EQ(missing(), last_message());
  EXPECT_EQ(E_INVALIDARG, CimCommitImage(nullptr));
  EXPECT_EQ("not an open handle", last_message());
}

TEST_F(LastMessage, IsLeftByEveryCallThatFails) {
  const test::Environment mount_root("CIMFS_MOUNT_ROOT", "/nowhere");
  const auto no_directory = directory16() + u"/missing";
  const auto metadata = file_metadata(0);
  auto negative = file_metadata(-1);
  StreamHandle stream;
  ImageHandle other;
  BOOLEAN found;
  UINT64 read;
  UINT64 remaining;
  FILE_STAT_BASIC_INFORMATION status;
  char small;
  const struct {
    const char* message;
    std::function<HRESULT()> call;
  } cases[] = {
      {"cimImageHandle is NULL",
       [&] { return CimCreateImage(no_directory.c_str(), nullptr, u"b.cim", nullptr); }},
      {"/missing: no such directory",
       [&] { return CimCreateImage(no_directory.c_str(), nullptr, u"b.cim", other.out()); }},
      {"a path or name is missing or empty",
       [&] { return CimCreateImage(nullptr, nullptr, u"b.cim", other.out()); }},
      {": an image in it is being written already",
       [&] { return create_image(nullptr, u"b.cim", other); }},
      {"cimStreamHandle is NULL", [&] { return CimCreateFile(image(), u"f", &metadata, nullptr); }},
      {"metadata: negative size",
       [&] { return CimCreateFile(image(), u"f", &negative, stream.out()); }},
      {"d/f: its parent directory does not exist",
       [&] { return CimCreateFile(image(), u"d\\f", &metadata, stream.out()); }},
      {"cimStreamHandle is NULL",
       [&] { return CimCreateAlternateStream(image(), u"f:s", 0, nullptr); }},
      {"a path names no stream",
       [&] { return CimCreateAlternateStream(image(), u"f", 0, stream.out()); }},
      {"f: no such file or directory", [&] { return CimCreateHardLink(image(), u"g", u"f"); }},
      {"a path has a character that NTFS forbids", [&] { return CimDeletePath(image(), u"?"); }},
      {"exists is NULL", [&] { return CimLookupFile(image(), u"f", nullptr); }},
      {"not an open handle", [&] { return CimLookupFile(nullptr, u"f", &found); }},
      {"buffer is NULL", [&] { return CimWriteStream(nullptr, nullptr, 1); }},
      {"not an open handle", [&] { return CimWriteStream(nullptr, "x", 1); }},
      {"not an open handle", [&] { return CimCommitImage(nullptr); }},
      {"bytesRead is NULL",
       [&] { return CimReadFile(u"x", u"f", 0, &small, 1, nullptr, &remaining); }},
      {"bytesRemaining is NULL",
       [&] { return CimReadFile(u"x", u"f", 0, &small, 1, &read, nullptr); }},
      {"buffer is NULL", [&] { return CimReadFile(u"x", u"f", 0, nullptr, 1, &read, &remaining); }},
      {"gone.cim: No such file or directory",
       [&] { return CimReadFile(u"gone.cim", u"f", 0, &small, 1, &read, &remaining); }},
      {"statInfo is NULL", [&] { return CimGetFileStatBasicInformation(u"x", u"f", nullptr); }},
      {"gone.cim: No such file or directory",
       [&] { return CimGetFileStatBasicInformation(u"gone.cim", u"f", &status); }},
      {" flag",
       [&] {
         return CimMountImage(u"x", u"a.cim", CIM_MOUNT_IMAGE_FLAGS{0x80000000}, &no_volume);
       }},
      {"/gone.cim: No such file or directory",
       [&] {
         return CimMountImage(directory16().c_str(), u"gone.cim", CIM_MOUNT_IMAGE_NONE, &no_volume);
       }},
      {"no volume GUID", [&] { return CimDismountImage(nullptr); }},
      {"buffer is NULL", [&] { return CimGetVolumePath(&no_volume, nullptr, 1); }},
      {"is mounted", [&] { return CimGetVolumePath(&no_volume, &small, 1); }},
  };
  for (const auto& [message, call] : cases) {
    fail_to_delete(image());
    EXPECT_TRUE(FAILED(call())) << message;
    EXPECT_TRUE(last_message().ends_with(message)) << message << ": " << last_message();
  }
}

TEST_F(LastMessage, SaysWhatIsWrongWithADamagedImage) {
  image_.close();
  const std::string path = directory() + "/b.cim";
  commit_image(u"b.cim", "x");
  const std::string region = open_image("b.cim").region_sets().at(0).regions.at(0).path;
  fs::remove(region);
  EXPECT_EQ(file_not_found, create_image(u"b.cim", nullptr, image_));
  EXPECT_EQ(path + ": " + region + ": No such file or directory", last_message());
  fs::resize_file(path, 10);
  EXPECT_EQ(image_corrupt, create_image(u"b.cim", nullptr, image_));
  EXPECT_EQ(path + ": is not a composite image: 10 bytes, shorter than its header", last_message());
}

TEST_F(LastMessage, EachThreadHasItsOwn) {
  fail_to_delete(image());
  std::thread([] {
    EXPECT_EQ(E_INVALIDARG, CimCommitImage(nullptr));
    EXPECT_EQ("not an open handle", last_message());
  }).join();
  EXPECT_EQ(missing(), last_message());
}

TEST_F(LastMessage, IsCutWhereTheBufferEnds) {
  const std::string whole = missing();
  fail_to_delete(image());
  std::string buffer(whole.size() + 1, 'x');
  EXPECT_EQ(S_OK, CimGetLastErrorMessage(buffer.data(), buffer.size()));
  EXPECT_EQ(whole, buffer.c_str());
  for (std::size_t size = 1; size <= whole.size(); ++size) {
    buffer.assign(whole.size() + 1, 'x');
    EXPECT_EQ(more_data, CimGetLastErrorMessage(buffer.data(), size));
    EXPECT_EQ(whole.substr(0, size - 1), buffer.c_str());
    EXPECT_EQ('x', buffer[size]);
  }
  EXPECT_EQ(more_data, CimGetLastErrorMessage(buffer.data(), 0));
  EXPECT_EQ(E_POINTER, CimGetLastErrorMessage(nullptr, 10));
  EXPECT_EQ(whole, last_message()) << "asking changes nothing";
}

TEST_F(LastMessage, IsCutBetweenCharacters) {
  ASSERT_EQ(path_not_found, CimDeletePath(image(), u"\u20AC\U0001F600"));
  const std::string start = directory() + "/a.cim: ";
  std::array<char, 1024> buffer;
  const struct {
    std::size_t bytes;
    const char* expected;
  } cases[] = {{2, ""}, {3, "\u20AC"}, {6, "\u20AC"}, {7, "\u20AC\U0001F600"}};
  for (const auto& [bytes, expected] : cases) {
    EXPECT_EQ(more_data, CimGetLastErrorMessage(buffer.data(), start.size() + bytes + 1));
    EXPECT_EQ(start + expected, buffer.data());
  }
}

void print_last_message() {
  CimCommitImage(nullptr);
  std::fputs(last_message().c_str(), stderr);
}

TEST(LastMessageDeathTest, IsThereForWhatAProcessCallsAtItsEnd) {
  const auto end = [] {
    CimWriteStream(nullptr, nullptr, 0);
    std::atexit(print_last_message);
    std::exit(0);
  };
  EXPECT_EXIT(end(), testing::ExitedWithCode(0), "^not an open handle$");
}

}  // namespace
}  // namespace cim::capi_test
