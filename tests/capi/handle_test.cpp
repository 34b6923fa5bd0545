// The life of handles: CimCommitImage, CimCloseImage, CimCloseStream, invalid handles, and many
// threads.
#include <atomic>
#include <thread>

#include <sys/stat.h>

#include "fixture.h"

namespace cim::capi_test {
namespace {

using HandleTest = OpenImageTest;

// Every call that takes an image handle refuses this one; closing it does nothing.
void expect_no_image(CIMFS_IMAGE_HANDLE handle) {
  StreamHandle stream;
  BOOLEAN exists;
  const auto metadata = file_metadata(0);
  EXPECT_EQ(E_INVALIDARG, CimCreateFile(handle, u"x", &metadata, stream.out()));
  EXPECT_EQ(E_INVALIDARG, CimCreateAlternateStream(handle, u"f:x", 0, stream.out()));
  EXPECT_EQ(E_INVALIDARG, CimCreateHardLink(handle, u"x", u"f"));
  EXPECT_EQ(E_INVALIDARG, CimDeletePath(handle, u"f"));
  EXPECT_EQ(E_INVALIDARG, CimLookupFile(handle, u"f", &exists));
  EXPECT_EQ(E_INVALIDARG, CimCommitImage(handle));
}

TEST_F(HandleTest, NullAndForeignHandlesAreInvalid) {
  int foreign = 0;
  expect_no_image(nullptr);
  expect_no_image(reinterpret_cast<CIMFS_IMAGE_HANDLE>(&foreign));
  expect_no_image(reinterpret_cast<CIMFS_IMAGE_HANDLE>(~std::uintptr_t{0}));
  EXPECT_EQ(E_INVALIDARG, CimWriteStream(nullptr, "x", 1));
  EXPECT_EQ(E_INVALIDARG, CimWriteStream(reinterpret_cast<CIMFS_STREAM_HANDLE>(&foreign), "x", 1));
  CimCloseImage(nullptr);
  CimCloseStream(nullptr);
  CimCloseImage(reinterpret_cast<CIMFS_IMAGE_HANDLE>(&foreign));
  CimCloseStream(reinterpret_cast<CIMFS_STREAM_HANDLE>(&foreign));
}

TEST_F(HandleTest, HandleOfTheOtherKindIsInvalid) {
  StreamHandle stream;
  const auto metadata = file_metadata(1);
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"f", &metadata, stream.out()));
  expect_no_image(reinterpret_cast<CIMFS_IMAGE_HANDLE>(stream.get()));
  EXPECT_EQ(E_INVALIDARG, CimWriteStream(reinterpret_cast<CIMFS_STREAM_HANDLE>(image()), "x", 1));
  CimCloseImage(reinterpret_cast<CIMFS_IMAGE_HANDLE>(stream.get()));
  CimCloseStream(reinterpret_cast<CIMFS_STREAM_HANDLE>(image()));
  EXPECT_EQ(S_OK, CimWriteStream(stream.get(), "x", 1));
}

TEST_F(HandleTest, StaleHandlesAreInvalidAndNeverComeBack) {
  const auto stale_image = image();
  image_.close();
  ASSERT_EQ(S_OK, create_image(nullptr, u"a.cim", image_));
  EXPECT_NE(stale_image, image());
  expect_no_image(stale_image);
  CimCloseImage(stale_image);

  StreamHandle stream;
  const auto metadata = file_metadata(1);
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"f", &metadata, stream.out()));
  const auto stale_stream = stream.get();
  stream.close();
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"g", &metadata, stream.out()));
  EXPECT_NE(stale_stream, stream.get());
  EXPECT_EQ(E_INVALIDARG, CimWriteStream(stale_stream, "x", 1));
  CimCloseStream(stale_stream);
  EXPECT_EQ(S_OK, CimWriteStream(stream.get(), "x", 1));
}

TEST_F(HandleTest, CommittedImageOnlyCloses) {
  add_file(u"f", "");
  const auto handle = image();
  ASSERT_EQ(S_OK, CimCommitImage(handle));
  expect_no_image(handle);
  EXPECT_TRUE(has_path(open_image("a.cim"), u"f"));
}

TEST_F(HandleTest, NothingIsVisibleBeforeTheCommit) {
  add_file(u"f", "contents");
  EXPECT_THROW(open_image("a.cim"), Error);
  EXPECT_EQ("contents", contents(commit(), u"f"));
}

TEST_F(HandleTest, CloseWithoutCommitLeavesNothing) {
  add_file(u"f", std::string(100000, 'x'));
  image_.close();
  EXPECT_TRUE(directory_entries().empty());
}

TEST_F(HandleTest, CloseWithoutCommitKeepsTheExistingImage) {
  add_file(u"f", "old");
  commit();
  const auto entries = directory_entries().size();
  ASSERT_EQ(S_OK, create_image(u"a.cim", nullptr, image_));
  add_file(u"f", "new");
  image_.close();
  EXPECT_EQ("old", contents(open_image("a.cim"), u"f"));
  EXPECT_EQ(entries, directory_entries().size());
}

TEST_F(HandleTest, ImageClosedBeforeItsStreamIsFreedWithTheStream) {
  StreamHandle stream;
  const auto metadata = file_metadata(3);
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"f", &metadata, stream.out()));
  const auto handle = image();
  image_.close();

  expect_no_image(handle);
  EXPECT_EQ(S_OK, CimWriteStream(stream.get(), "abc", 3));
  ImageHandle next;
  EXPECT_EQ(sharing_violation, create_image(nullptr, u"a.cim", next));
  stream.close();
  EXPECT_TRUE(directory_entries().empty());
  EXPECT_EQ(S_OK, create_image(nullptr, u"a.cim", next));
}

TEST_F(HandleTest, ManyThreadsWorkOnOneImage) {
  constexpr int thread_count = 4;
  constexpr int files_per_thread = 50;
  const auto add_files = [&](int thread) {
    for (int i = 0; i < files_per_thread; ++i) {
      const std::string text = std::to_string(thread) + "-" + std::to_string(i);
      const auto metadata = file_metadata(static_cast<INT64>(text.size()));
      StreamHandle stream;
      HRESULT result;
      while ((result = CimCreateFile(image(), to_utf16(text).c_str(), &metadata, stream.out())) ==
             sharing_violation) {
        std::this_thread::yield();
      }
      ASSERT_EQ(S_OK, result);
      ASSERT_EQ(S_OK, CimWriteStream(stream.get(), text.data(), static_cast<UINT32>(text.size())));
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < thread_count; ++thread) threads.emplace_back(add_files, thread);
  for (std::thread& thread : threads) thread.join();

  const Image committed = commit();
  for (int thread = 0; thread < thread_count; ++thread) {
    for (int i = 0; i < files_per_thread; ++i) {
      const std::string text = std::to_string(thread) + "-" + std::to_string(i);
      EXPECT_EQ(text, contents(committed, to_utf16(text)));
    }
  }
}

// Calls `body` in several threads at once, and waits for them.
template <typename Body>
void run_in_threads(Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(body);
  for (std::thread& thread : threads) thread.join();
}

TEST_F(HandleTest, ManyThreadsMayUseAndCloseTheSameHandles) {
  StreamHandle stream;
  const auto metadata = file_metadata(1 << 20);
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"f", &metadata, stream.out()));
  run_in_threads([&] {
    for (int i = 0; i < 1000; ++i) CimWriteStream(stream.get(), "x", 1);
    CimCloseStream(stream.get());
  });
  EXPECT_EQ(E_INVALIDARG, CimWriteStream(stream.get(), "x", 1));

  std::atomic<int> commits = 0;
  run_in_threads([&] { commits += CimCommitImage(image()) == S_OK; });
  EXPECT_EQ(1, commits);
  run_in_threads([&] { CimCloseImage(image()); });
  expect_no_image(image());
  EXPECT_EQ(1u << 20, file_at(open_image("a.cim"), u"f").stream.length);
}

TEST_F(HandleTest, ManyThreadsBuildAndReadImagesOfTheirOwn) {
  std::atomic<int> threads = 0;
  run_in_threads([&] {
    const std::string place = directory() + "/" + std::to_string(++threads);
    ASSERT_EQ(0, mkdir(place.c_str(), 0700));
    for (std::size_t round = 0; round < 20; ++round) {
      ImageHandle own;
      ASSERT_EQ(S_OK, CimCreateImage(to_utf16(place).c_str(), round == 0 ? nullptr : u"own.cim",
                                     round == 0 ? u"own.cim" : nullptr, own.out()));
      const std::string text(1 + round * 10000, static_cast<char>('a' + round));
      const auto metadata = file_metadata(static_cast<INT64>(text.size()));
      StreamHandle stream;
      ASSERT_EQ(S_OK, CimCreateFile(own.get(), u"f", &metadata, stream.out()));
      ASSERT_EQ(S_OK, CimWriteStream(stream.get(), text.data(), static_cast<UINT32>(text.size())));
      stream.close();
      ASSERT_EQ(S_OK, CimCommitImage(own.get()));
      own.close();
      EXPECT_EQ(text, contents(Image(place + "/own.cim"), u"f"));
    }
  });
  EXPECT_EQ(4, threads);
}

}  // namespace
}  // namespace cim::capi_test
