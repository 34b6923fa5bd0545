// The options of create and add that choose files and change their metadata.
#include <fcntl.h>
#include <sys/stat.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

class SourceOptions : public CliTest {
 protected:
  void set_time(const std::string& name, timespec time) const {
    const timespec times[] = {time, time};
    ASSERT_EQ(0, utimensat(AT_FDCWD, path(name).c_str(), times, AT_SYMLINK_NOFOLLOW));
  }

  // The line of `cim stat` that starts with `label`.
  std::string line(const std::string& file, const std::string& label) const {
    const std::string text = succeed({"stat", "app.cim", file});
    const std::size_t start = text.find(label);
    return start == std::string::npos ? "(none)"
                                      : text.substr(start, text.find('\n', start) - start);
  }

  // Expects exit status 2, a message that contains `text`, and no files.
  void refuse(const std::vector<std::string>& arguments, const std::string& text) const {
    const Result result = cim(arguments);
    EXPECT_EQ(result.status, 2);
    EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
    EXPECT_EQ(files(), std::set<std::string>{});
  }
};

TEST_F(SourceOptions, MtimeIsTheTimeOfEveryFile) {
  write("src/d/file", "x");
  succeed({"create", "--mtime", "2001-02-03T04:05:06Z", "app.cim", "src"});
  for (const char* file : {"/", "d", "d/file"}) {
    EXPECT_NE(line(file, "Modify").find("2001-02-03"), std::string::npos) << line(file, "Modify");
  }
}

TEST_F(SourceOptions, MtimeIsTheTimeOfDirectoriesThatAreMade) {
  write("file", "x");
  succeed({"create", "--mtime", "@981173106", "app.cim"});
  succeed({"add", "--mtime", "@981173106", "app.cim", "file", "a/b/c"});
  for (const char* file : {"/", "a", "a/b", "a/b/c"}) {
    EXPECT_NE(line(file, "Modify").find("2001-02-03"), std::string::npos) << line(file, "Modify");
  }
}

TEST_F(SourceOptions, SourceDateEpochIsTheLatestTime) {
  write("src/early", "");
  write("src/late", "");
  set_time("src/early", {100000000, 0});
  const Environment epoch("SOURCE_DATE_EPOCH", "981173106");
  succeed({"create", "app.cim", "src"});
  EXPECT_NE(line("early", "Modify").find("1973-03-03"), std::string::npos);
  EXPECT_NE(line("late", "Modify").find("2001-02-03"), std::string::npos);
  succeed({"add", "app.cim", "src", "made/src"});
  EXPECT_NE(line("made", "Modify").find("2001-02-03"), std::string::npos);
}

TEST_F(SourceOptions, MtimeWinsOverSourceDateEpoch) {
  const Environment epoch("SOURCE_DATE_EPOCH", "no number");
  succeed({"create", "--mtime", "@981173106", "app.cim"});
  EXPECT_NE(line("/", "Modify").find("2001-02-03"), std::string::npos);
}

TEST_F(SourceOptions, AnEmptyImageIsTheSameWheneverItIsMade) {
  const Environment epoch("SOURCE_DATE_EPOCH", "981173106");
  succeed({"create", "app.cim"});
  const std::string before = all_contents();
  succeed({"create", "--force", "app.cim"});
  EXPECT_EQ(all_contents(), before);
}

TEST_F(SourceOptions, ReplacingAnImageByAnEqualOneChangesNoByte) {
  write("src/file", std::string(100000, 'x'));
  succeed({"create", "app.cim", "src"});
  const std::string before = all_contents();
  succeed({"create", "--force", "app.cim", "src"});
  EXPECT_TRUE(all_contents() == before);
}

TEST_F(SourceOptions, BadTimesAreWrongUsage) {
  refuse({"create", "--mtime", "tomorrow", "app.cim"}, "--mtime: 'tomorrow'");
  const Environment epoch("SOURCE_DATE_EPOCH", "now");
  refuse({"create", "app.cim"}, "SOURCE_DATE_EPOCH: 'now'");
}

TEST_F(SourceOptions, OwnerAndGroupAreThoseOfEveryFile) {
  write("src/d/file", "x");
  succeed({"create", "--owner", "1234567", "--group", "somebody:89", "app.cim", "src"});
  succeed({"add", "--owner=root", "--group=0", "app.cim", "src/d/file", "made/file"});
  for (const char* file : {"/", "d", "d/file"}) {
    EXPECT_NE(succeed({"stat", "app.cim", file}).find("1234567"), std::string::npos) << file;
    EXPECT_NE(succeed({"stat", "app.cim", file}).find("89"), std::string::npos) << file;
  }
  for (const char* file : {"made", "made/file"}) {
    EXPECT_EQ(succeed({"stat", "app.cim", file}).find("1234567"), std::string::npos) << file;
  }
}

TEST_F(SourceOptions, UnknownOwnersAreWrongUsage) {
  refuse({"create", "--owner", "no such user", "app.cim"}, "--owner: there is no user");
  refuse({"create", "--group", "4294967295", "app.cim"}, "--group: '4294967295'");
}

TEST_F(SourceOptions, PatternsComeFromFilesToo) {
  write("src/a.o", "");
  write("src/b.tmp", "");
  write("src/#c#", "");
  write("src/d", "");
  write("one", "*.o\n\n# *\n\\#*#\n");
  write("two", "*.tmp");
  succeed({"create", "--exclude-from", "one", "app.cim", "--exclude-from=two", "src"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "d\n");
  EXPECT_TRUE(fail({"create", "--exclude-from", "missing", "b.cim", "src"})
                  .ends_with("missing: No such file or directory"));
}

TEST_F(SourceOptions, AddLeavesOutWhatIsExcluded) {
  write("src/a.o", "");
  write("src/b", "");
  succeed({"create", "app.cim"});
  succeed({"add", "app.cim", "src", "--exclude", "*.o", "--one-file-system"});
  EXPECT_EQ(succeed({"ls", "app.cim", "src"}), "b\n");
}

TEST_F(SourceOptions, RoundedTimesAreToldInOneLineToThoseWhoAsk) {
  write("src/a", "");
  write("src/b", "");
  for (const char* name : {"src", "src/a", "src/b"}) set_time(name, {1000, 5});
  const Result silent = cim({"create", "app.cim", "src"});
  EXPECT_EQ(silent.status, 0);
  EXPECT_EQ(silent.err, "");
  const Result created = cim({"create", "-f", "-v", "app.cim", "src"});
  EXPECT_EQ(created.err,
            "cim: app.cim: 3 times were rounded down to 100 ns, the first that of src\n");
  const Result added = cim({"add", "--verbose", "app.cim", "src/a", "c"});
  EXPECT_EQ(added.status, 0);
  EXPECT_EQ(added.err, "cim: app.cim: src/a: its time was rounded down to 100 ns\n");
}

}  // namespace
}  // namespace cim::cli
