// Colour in what cim prints.
#include <boost/filesystem.hpp>
#include <sys/stat.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

class Color : public CliTest {
 protected:
  // Makes an image of files whose colours differ.
  void create_image() const {
    write("src/dir/file", "x");
    write("src/program", "x");
    chmod(path("src/program").c_str(), 0755);
    write("src/archive.tar", "x");
    fs::create_symlink("dir", path("src/link"));
    succeed({"create", "app.cim", "src"});
  }

  const Environment no_colors_ = Environment("LS_COLORS", "");
};

TEST_F(Color, ListsInTheColorsOfLs) {
  create_image();
  EXPECT_EQ(succeed({"ls", "--color=always", "app.cim"}),
            "archive.tar\n"
            "\033[01;34mdir\033[0m\n"
            "\033[01;36mlink\033[0m\n"
            "\033[01;32mprogram\033[0m\n");
  const std::string line = succeed({"ls", "-l", "--color", "app.cim", "link"});
  EXPECT_TRUE(line.ends_with(" \033[01;36mlink\033[0m -> dir\n")) << line;
}

TEST_F(Color, ObeysLsColors) {
  create_image();
  const Environment colors("LS_COLORS",
                           "rs=0:di=35:*.tar=31:*rogram=32:ln=target:ex=\033]0;evil\a");
  EXPECT_EQ(succeed({"ls", "--color", "app.cim"}),
            "\033[31marchive.tar\033[0m\n"
            "\033[35mdir\033[0m\n"
            "\033[01;36mlink\033[0m\n"
            "\033[01;32mprogram\033[0m\n");
}

TEST_F(Color, DrawsTreesInTheColorsOfLs) {
  create_image();
  const std::string tree = succeed({"tree", "--color", "app.cim"});
  EXPECT_NE(tree.find(" \033[01;34mdir\033[0m\n"), std::string::npos) << tree;
  EXPECT_NE(tree.find(" \033[01;36mlink\033[0m -> dir\n"), std::string::npos) << tree;
  EXPECT_NE(tree.find(" file\n"), std::string::npos) << tree;
}

TEST_F(Color, ShowsDifferencesInTheColorsOfGit) {
  create_image();
  write("new/program", "y");
  write("new/fresh", "x");
  fs::create_directory(path("new/dir"));
  const Result result = cim({"diff", "--color", "app.cim", "new"});
  EXPECT_NE(result.out.find("\033[31mremoved link\033[0m\n"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("\033[32madded fresh\033[0m\n"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("\033[33mchanged "), std::string::npos) << result.out;
}

// The output of a shell command that runs $CIM on a terminal.
class Terminal : public Color {
 protected:
  std::string on_terminal(const std::string& environment) const {
    const std::string command = "cd " + directory() + " && env TERM=xterm " + environment +
                                " script -qec '\"$CIM\" ls app.cim' out </dev/null >log";
    EXPECT_EQ(std::system(command.c_str()), 0);  // NOLINT(concurrency-mt-unsafe)
    return read("log");
  }
};

TEST_F(Terminal, DecidesUnlessToldOtherwise) {
  create_image();
  const std::string escape = "\033[01;34m";
  EXPECT_EQ(succeed({"ls", "app.cim"}).find(escape), std::string::npos);
  EXPECT_NE(on_terminal("").find(escape), std::string::npos);
  EXPECT_NE(on_terminal("NO_COLOR=").find(escape), std::string::npos);
  EXPECT_EQ(on_terminal("NO_COLOR=1").find(escape), std::string::npos);
  EXPECT_EQ(on_terminal("TERM=dumb").find(escape), std::string::npos);
}

}  // namespace
}  // namespace cim::cli
