// What cim create refuses to make an image of, or over.
#include <boost/filesystem.hpp>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

class NewImage : public CliTest {
 protected:
  // Expects `arguments` to be refused with `message` after the name of the program, and nothing to
  // be changed.
  void refuse(const std::vector<std::string>& arguments, const std::string& message) const {
    const std::string before = all_contents();
    EXPECT_EQ(fail(arguments), "cim: " + message);
    EXPECT_EQ(all_contents(), before);
  }
};

TEST_F(NewImage, IsNotADirectory) {
  write("app/file", "x");
  refuse({"create", "./app", "app.cim"},
         "./app: is a directory; did you mean 'cim create app.cim ./app'?");
  refuse({"create", "--force", "./app", "app.cim"},
         "./app: is a directory; did you mean 'cim create app.cim ./app'?");
  write("app.cim", "");
  refuse({"create", "app", "app.cim"},
         "app: is a directory; did you mean 'cim create app.cim app'?");
  fs::create_directory(path("other"));
  refuse({"create", "other", "app"}, "other: is a directory");
  refuse({"create", "app/"}, "app/: is a directory");
}

TEST_F(NewImage, IsNotAnArchive) {
  write("app.tar.gz", "precious");
  refuse({"create", "app.tar.gz", "app"},
         "app.tar.gz: is an archive; did you mean 'cim create app.cim --tar app.tar.gz'?");
  refuse({"create", "-f", "app.tar.gz", "new.cim"},
         "app.tar.gz: is an archive; did you mean 'cim create new.cim --tar app.tar.gz'?");
  write("app/file", "x");
  const std::string named =
      ": is named like an archive, not like an image; 'cim export' makes archives";
  for (const char* name : {"app.tar.gz", "new.tar", "new.tgz", "new.tar.zst"}) {
    refuse({"create", "--force", name, "app"}, name + named);
  }
}

TEST_F(NewImage, IsNotMadeOfAnArchiveAsIfThatWereADirectory) {
  write("app.tar.gz", "");
  refuse(
      {"create", "app.cim", "app.tar.gz"},
      "app.cim: app.tar.gz: is no directory; did you mean 'cim create app.cim --tar app.tar.gz'?");
}

TEST_F(NewImage, ReplacesOnlyAnImageAndOnlyIfForced) {
  write("app/file", "x");
  succeed({"create", "app.cim", "app"});
  refuse({"create", "app.cim", "app"}, "app.cim: exists already; --force replaces it");
  write("notes", "precious");
  refuse({"create", "notes", "app"}, "notes: exists already; --force replaces it");
  refuse({"create", "-f", "notes", "app"},
         "notes: is not an image, and --force replaces nothing else");
  write("app/second", "x");
  succeed({"create", "-f", "app.cim", "app"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "file\nsecond\n");
}

TEST_F(NewImage, ReplacesADamagedImage) {
  succeed({"create", "app.cim"});
  fs::resize_file(path("app.cim"), 100);
  succeed({"create", "-f", "app.cim"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "");
}

}  // namespace
}  // namespace cim::cli
