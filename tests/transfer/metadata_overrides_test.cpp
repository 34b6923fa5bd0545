// Metadata that files get instead of their own, and times that an image cannot hold.
#include "transfer/metadata_overrides.h"

#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <unistd.h>

#include "transfer/entry.h"
#include "transfer/inexact_times.h"
#include "tree.h"

namespace cim::transfer {
namespace {

posix::LinuxMetadata file_of(timespec mtime) {
  posix::LinuxMetadata metadata;
  metadata.status.st_mode = S_IFREG | S_ISUID | 0755;
  metadata.status.st_uid = 1;
  metadata.status.st_gid = 2;
  metadata.status.st_mtim = mtime;
  return metadata;
}

TEST(MetadataOverrides, ChangeNothingUnlessSet) {
  posix::LinuxMetadata metadata = file_of({100, 5});
  apply({}, metadata);
  EXPECT_EQ(1u, metadata.status.st_uid);
  EXPECT_EQ(2u, metadata.status.st_gid);
  EXPECT_EQ(100, metadata.status.st_mtim.tv_sec);
  EXPECT_EQ(5, metadata.status.st_mtim.tv_nsec);
}

TEST(MetadataOverrides, SetOwnerAndGroupEachOnItsOwn) {
  posix::LinuxMetadata metadata = file_of({100, 5});
  apply({.owner = 7}, metadata);
  EXPECT_EQ(7u, metadata.status.st_uid);
  EXPECT_EQ(2u, metadata.status.st_gid);
  apply({.group = 8}, metadata);
  EXPECT_EQ(7u, metadata.status.st_uid);
  EXPECT_EQ(8u, metadata.status.st_gid);
  EXPECT_EQ(mode_t{S_IFREG | S_ISUID | 0755}, metadata.status.st_mode);
}

TEST(MetadataOverrides, BringOnlyLaterTimesDownToTheLatest) {
  const MetadataOverrides overrides = {.latest_mtime = timespec{100, 5}};
  const auto time_after = [&](timespec time) {
    posix::LinuxMetadata metadata = file_of(time);
    apply(overrides, metadata);
    return std::pair(metadata.status.st_mtim.tv_sec, metadata.status.st_mtim.tv_nsec);
  };
  EXPECT_EQ(std::pair(time_t{100}, 5L), time_after({100, 6}));
  EXPECT_EQ(std::pair(time_t{100}, 5L), time_after({101, 0}));
  EXPECT_EQ(std::pair(time_t{100}, 4L), time_after({100, 4}));
  EXPECT_EQ(std::pair(time_t{-1}, 9L), time_after({-1, 9}));
}

TEST(MetadataOverrides, TheTimeOfAllFilesWinsOverTheLatest) {
  posix::LinuxMetadata metadata = file_of({50, 0});
  apply({.mtime = timespec{300, 0}, .latest_mtime = timespec{100, 0}}, metadata);
  EXPECT_EQ(300, metadata.status.st_mtim.tv_sec);
}

TEST(NewDirectoryMetadata, IsThatOfThisProcessNow) {
  const time_t before = time(nullptr);
  const posix::LinuxMetadata metadata = new_directory_metadata({});
  EXPECT_EQ(mode_t{S_IFDIR | 0755}, metadata.status.st_mode);
  EXPECT_EQ(geteuid(), metadata.status.st_uid);
  EXPECT_EQ(getegid(), metadata.status.st_gid);
  EXPECT_GE(metadata.status.st_mtim.tv_sec, before);
}

TEST(NewDirectoryMetadata, DoesNotDependOnTheTimeWithALatestOne) {
  const time_t future = time(nullptr) + 1000000;
  for (const time_t latest : {time_t{100}, future}) {
    const auto metadata = new_directory_metadata({.latest_mtime = timespec{latest, 0}});
    EXPECT_EQ(latest, metadata.status.st_mtim.tv_sec);
  }
  EXPECT_EQ(5, new_directory_metadata({.mtime = timespec{5, 0}}).status.st_mtim.tv_sec);
}

// A source at an entry called `name`.
class NamedSource : public EntrySource {
 public:
  explicit NamedSource(std::string name) : name_(std::move(name)) {}

  const Entry* next() override { return nullptr; }
  void copy_data(WriteStream&) override {}
  std::optional<EntryMetadata> missing_parent() const override { return std::nullopt; }
  std::string name() const override { return name_; }
  std::uint64_t incomplete() const override { return 0; }

 private:
  std::string name_;
};

TEST(InexactTimes, AreCountedAndTheFirstIsNamed) {
  RecordingProgress progress;
  InexactTimes times;
  times.add({5, 100}, NamedSource("exact"), progress);
  times.add({5, 101}, NamedSource("first"), progress);
  times.add({-5, 199}, NamedSource("second"), progress);
  EXPECT_TRUE(progress.warnings.empty());
  times.report(progress);
  EXPECT_TRUE(progress.warnings.empty());
  EXPECT_EQ(progress.notes, std::vector<std::string>{
                                "2 times were rounded down to 100 ns, the first that of first"});
}

TEST(InexactTimes, AreNotMentionedWhenThereAreNone) {
  RecordingProgress progress;
  InexactTimes times;
  times.add({5, 999999900}, NamedSource("exact"), progress);
  times.report(progress);
  EXPECT_TRUE(progress.notes.empty());
}

TEST(InexactTimes, FarOffAreWarnedOfOneByOne) {
  RecordingProgress progress;
  InexactTimes times;
  times.add({std::numeric_limits<time_t>::max(), 0}, NamedSource("late"), progress);
  times.add({std::numeric_limits<time_t>::min(), 0}, NamedSource("early"), progress);
  times.report(progress);
  ASSERT_EQ(2u, progress.warnings.size());
  EXPECT_TRUE(progress.warnings[0].starts_with("late: ")) << progress.warnings[0];
  EXPECT_TRUE(progress.warnings[1].starts_with("early: ")) << progress.warnings[1];
}

}  // namespace
}  // namespace cim::transfer
