// The progress that cim shows on a terminal.
#include <csignal>
#include <functional>
#include <sstream>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli_test.h"
#include "image/file_descriptor.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

const std::string clear_line = "\r\033[K";

// What a program wrote to its terminal.
struct Session {
  int status;  // of waitpid(2)
  std::string output;
};

class ProgressOnTerminal : public CliTest {
 protected:
  ProgressOnTerminal() {
    write("src/file", std::string(300000, 'x'));
    EXPECT_EQ(cim({"create", "app.cim", "src"}).status, 0);
    EXPECT_EQ(cim({"export", "app.cim", "--tar", "app.tar"}).status, 0);
  }

  // Runs cim on a terminal of that width, with `input` as standard input, and calls react() with
  // its process and output whenever there is more of that.
  Session run(const std::vector<std::string>& arguments, unsigned short width = 80,
              const std::string& input = "/dev/null",
              const std::function<void(pid_t, const std::string&)>& react = {}) const {
    const char* const program = std::getenv("CIM");
    std::vector<std::string> strings = {"cim"};
    strings.insert(strings.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& argument : strings) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const winsize size = {.ws_row = 24, .ws_col = width, .ws_xpixel = 0, .ws_ypixel = 0};
    int master = -1;
    const pid_t child = forkpty(&master, nullptr, nullptr, &size);
    if (child == 0) {
      constexpr unsigned max_seconds = 100;
      alarm(max_seconds);
      if (chdir(directory().c_str()) != 0) _exit(126);
      const int in = open(input.c_str(), O_RDONLY);
      if (in < 0 || dup2(in, STDIN_FILENO) < 0) _exit(126);
      execv(program, argv.data());
      _exit(127);
    }
    const FileDescriptor terminal(master);
    Session session = {};
    char buffer[4096];
    for (ssize_t n; (n = ::read(master, buffer, sizeof(buffer))) > 0;) {
      session.output.append(buffer, static_cast<std::size_t>(n));
      if (react) react(child, session.output);
    }
    waitpid(child, &session.status, 0);
    return session;
  }

  const Environment type_{"TERM", "xterm"};
  const Environment columns_{"COLUMNS", ""};  // the terminal knows

  // The longest line that was visible at any time.
  static std::size_t widest(std::string output) {
    std::size_t width = 0;
    for (char& c : output) c = c == '\r' ? '\n' : c;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("\033[K")) width = std::max(width, line.size() - 3);
    }
    return width;
  }
};

TEST_F(ProgressOnTerminal, EveryLongCommandShowsItAndTakesItAway) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"create", "new.cim", "src"},
        {"create", "from-tar.cim", "--tar", "app.tar"},
        {"extract", "app.cim", "out"},
        {"export", "app.cim", "--tar", "new.tar"},
        {"check", "--data", "app.cim"},
        {"diff", "app.cim", "src"},
        {"cp", "app.cim", "copy.cim"},
        {"mv", "copy.cim", "moved.cim"}}) {
    const Session session = run(arguments);
    EXPECT_TRUE(WIFEXITED(session.status));
    EXPECT_THAT(session.output, HasSubstr(" files")) << arguments[0];
    EXPECT_GT(session.output.rfind(clear_line), session.output.find(clear_line)) << arguments[0];
  }
}

TEST_F(ProgressOnTerminal, TellsHowMuchIsLeftOfAnImage) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"extract", "app.cim", "out"},
        {"export", "app.cim", "--tar", "new.tar"},
        {"check", "--data", "app.cim"},
        {"cp", "app.cim", "copy.cim"},
        {"mv", "copy.cim", "moved.cim"}}) {
    EXPECT_THAT(run(arguments).output, HasSubstr("%")) << arguments[0];
  }
}

TEST_F(ProgressOnTerminal, FitsAnyWidth) {
  for (const unsigned short width :
       std::initializer_list<unsigned short>{1, 2, 5, 6, 10, 16, 25, 40, 60, 79, 80, 200}) {
    fs::remove_all(path("out"));
    const Session session = run({"extract", "app.cim", "out"}, width);
    EXPECT_LT(widest(session.output), width) << session.output;
    EXPECT_EQ(session.output.find('%') != std::string::npos, width >= 5) << session.output;
    EXPECT_EQ(session.output.find("/293K  ") != std::string::npos, width >= 25) << session.output;
  }
  const Environment columns("COLUMNS", "20");
  EXPECT_LT(widest(run({"extract", "app.cim", "out"}).output), 20u);
}

TEST_F(ProgressOnTerminal, IsNotForADumbTerminal) {
  const Environment type("TERM", "dumb");
  EXPECT_THAT(run({"extract", "app.cim", "out"}).output, Not(HasSubstr("\033")));
  EXPECT_EQ(read("out/file").size(), 300000u);
}

TEST_F(ProgressOnTerminal, AnInterruptionTakesItAway) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  const FileDescriptor archive(open(path("fifo").c_str(), O_RDWR | O_CLOEXEC));  // never ends
  const std::string start = read("app.tar").substr(0, 20480);
  ASSERT_EQ(::write(archive.get(), start.data(), start.size()), static_cast<ssize_t>(start.size()));
  bool interrupted = false;
  const Session session = run({"create", "new.cim", "--tar", "-"}, 80, path("fifo"),
                              [&](pid_t child, const std::string& output) {
                                if (interrupted || output.find(" files") == std::string::npos) {
                                  return;
                                }
                                interrupted = true;
                                kill(child, SIGINT);
                              });
  EXPECT_TRUE(WIFSIGNALED(session.status));
  EXPECT_EQ(WTERMSIG(session.status), SIGINT);
  EXPECT_THAT(session.output, EndsWith(clear_line));
  EXPECT_FALSE(fs::exists(path("new.cim")));
}

}  // namespace
}  // namespace cim::cli
