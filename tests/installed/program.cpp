// A program in C++: reads the image c.cim that program.c has made in a directory, builds another,
// and checks the errors that it gets.
//
//   program DIRECTORY
#include <cerrno>
#include <exception>
#include <iostream>
#include <map>
#include <span>
#include <stdexcept>
#include <string>

#include <cim/error.h>
#include <cim/image.h>
#include <cim/name.h>
#include <cim/writer.h>

namespace {

using Contents = std::map<std::string, std::string>;

void expect(bool condition, const std::string& what) {
  if (!condition) throw std::logic_error("not so: " + what);
}

std::string content(const cim::Image& image, const cim::Stream& stream) {
  std::string text(stream.length, '?');
  text.resize(image.read(stream, 0, std::as_writable_bytes(std::span(text))));
  return text;
}

// Adds everything below `directory`, by path; directories have the text "(directory)".
void walk(const cim::Image& image, const cim::File& directory, const std::string& path,
          Contents& found) {
  const cim::Directory entries = image.entries(directory);
  cim::EntryName name;
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    const cim::File file = image.file(image.entry(entries, i, name));
    const std::string file_path = path + "/" + cim::image_to_linux_name(name.view());
    found[file_path] = file.is_directory() ? "(directory)" : content(image, file.stream);
    for (const cim::NamedStream& stream : image.named_streams(file)) {
      found[file_path + ":" + cim::image_to_linux_name(stream.name)] =
          content(image, stream.stream);
    }
    if (file.is_directory()) walk(image, file, file_path, found);
  }
}

Contents all_of(const std::string& path) {
  const cim::Image image(path);
  Contents found;
  walk(image, image.file(image.root()), "", found);
  return found;
}

void write(cim::WriteStream stream, std::string_view text) {
  stream.write(std::as_bytes(std::span(text)));
  stream.close();
}

void build_image(const std::string& directory) {
  cim::Writer writer({.directory = directory, .existing = {}, .name = "cpp.cim"});
  writer.create_directory(u"dir", {});
  write(writer.create_file(cim::linux_to_image_path("dir/file"), {}, 5), "hello");
  write(writer.create_named_stream(u"dir\\file", u"stream", 3), "abc");
  writer.create_hard_link(u"link", u"dir\\file");
  expect(writer.find(u"link") == cim::Writer::Kind::file, "the link is a file");
  writer.commit();
}

template <typename Call>
void expect_error(cim::Errc code, int error_number, const Call& call) {
  try {
    call();
  } catch (const cim::Error& error) {
    expect(error.code() == code, std::string("the code of \"") + error.what() + '"');
    expect(cim::to_errno(error.code()) == error_number, "the errno value");
    return;
  }
  expect(false, "an Error is thrown");
}

void test(const std::string& directory) {
  const Contents expected = {{"/dir", "(directory)"},
                             {"/dir/file", "hello"},
                             {"/dir/file:stream", "abc"},
                             {"/link", "hello"},
                             {"/link:stream", "abc"}};
  expect(all_of(directory + "/c.cim") == expected, "c.cim is what program.c has written");
  build_image(directory);
  expect(all_of(directory + "/cpp.cim") == expected, "cpp.cim is the same");

  expect_error(cim::Errc::file_not_found, ENOENT, [&] { all_of(directory + "/missing.cim"); });
  expect_error(cim::Errc::file_exists, EEXIST, [&] { build_image(directory); });
  expect_error(cim::Errc::invalid_argument, EINVAL, [] { cim::linux_to_image_path("a/../b"); });
}

}  // namespace

int main(int argc, char** argv) {
  try {
    expect(argc == 2, "one argument");
    test(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
