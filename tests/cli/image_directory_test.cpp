// cim ls of a directory of images.
#include <map>
#include <sstream>

#include <boost/filesystem.hpp>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;
using Names = std::set<std::string>;

class ImageDirectoryListing : public CliTest {
 protected:
  // base.cim, its fork, and an image that shares nothing with them.
  ImageDirectoryListing() {
    write("tree/file", std::string(300000, 'b'));
    write("change/file", std::string(100000, 'f'));
    write("own/file", std::string(200000, 'o'));
    fs::create_directory(path("images"));
    succeed({"create", "images/base.cim", "tree"});
    succeed({"create", "images/fork.cim", "change", "--from", "images/base.cim"});
    succeed({"create", "images/own.cim", "own"});
  }

  Json list(const char* key) const { return Json::parse(succeed({"ls", "--json", "images"}))[key]; }

  Json image(const std::string& name) const {
    for (const Json& entry : list("images")) {
      if (entry["name"] == name) return entry;
    }
    return {};
  }

  static Names names_in(const Json& array) {
    Names names;
    for (const Json& entry : array) names.insert(entry["name"]);
    return names;
  }

  std::uint64_t bytes_on_disk() const {
    std::uint64_t bytes = 0;
    for (const auto& entry : fs::directory_iterator(path("images"))) {
      struct stat status;
      EXPECT_EQ(stat(entry.path().c_str(), &status), 0);
      bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
    return bytes;
  }
};

TEST_F(ImageDirectoryListing, TellsWhichImagesShareFiles) {
  EXPECT_EQ(names_in(list("images")), (Names{"base.cim", "fork.cim", "own.cim"}));
  EXPECT_EQ(names_in(image("base.cim")["shares_with"]), Names{"fork.cim"});
  EXPECT_EQ(names_in(image("fork.cim")["shares_with"]), Names{"base.cim"});
  EXPECT_EQ(names_in(image("own.cim")["shares_with"]), Names());
}

TEST_F(ImageDirectoryListing, TellsWhichFilesAnImageNeeds) {
  std::map<Names, int> files_by_images;
  Names names;
  for (const Json& file : list("files")) {
    ++files_by_images[names_in(file["images"])];
    names.insert(file["name"]);
  }
  EXPECT_EQ(files_by_images.size(), 3u);
  EXPECT_GE(files_by_images[(Names{"base.cim", "fork.cim"})], 4);
  EXPECT_GE(files_by_images[Names{"fork.cim"}], 4);
  EXPECT_GE(files_by_images[Names{"own.cim"}], 4);
  EXPECT_EQ(names.size() + 3,
            static_cast<std::size_t>(std::distance(fs::directory_iterator(path("images")), {})));
}

TEST_F(ImageDirectoryListing, TellsWhatRemovingAnImageFrees) {
  for (const std::string name : {"fork.cim", "own.cim", "base.cim"}) {
    const std::uint64_t before = bytes_on_disk();
    const std::uint64_t expected = image(name)["frees"];
    fs::remove(path("images/" + name));
    EXPECT_EQ(cim({"gc", "images"}).status, 0);
    EXPECT_EQ(before - bytes_on_disk(), expected) << name;
  }
  EXPECT_EQ(bytes_on_disk(), 0u);
}

TEST_F(ImageDirectoryListing, TheSizeOfAnImageIsThatOfAllItsFiles) {
  fs::remove(path("images/own.cim"));
  EXPECT_EQ(cim({"gc", "images"}).status, 0);
  struct stat base;
  ASSERT_EQ(stat(path("images/base.cim").c_str(), &base), 0);
  EXPECT_EQ(image("fork.cim")["bytes"].get<std::uint64_t>() +
                static_cast<std::uint64_t>(base.st_blocks) * 512,
            bytes_on_disk());
}

TEST_F(ImageDirectoryListing, FilesOfNoImageAreCounted) {
  EXPECT_EQ(succeed({"ls", "images"}).find("no image"), std::string::npos);
  fs::remove(path("images/own.cim"));
  Names unneeded;
  for (const Json& file : list("files")) {
    if (file["images"].empty()) unneeded.insert(file["name"]);
  }
  std::istringstream lines(cim({"gc", "--dry-run", "images"}).out);
  Names garbage;
  for (std::string line; std::getline(lines, line);) garbage.insert(line);
  EXPECT_EQ(unneeded, garbage);
  const std::string listing = succeed({"ls", "images"});
  EXPECT_NE(listing.find("\n" + std::to_string(garbage.size()) + " files, "), std::string::npos)
      << listing;
  EXPECT_NE(listing.find("belong to no image; cim gc removes them\n"), std::string::npos);
}

TEST_F(ImageDirectoryListing, IsATable) {
  std::istringstream lines(succeed({"ls", "-h", "images"}));
  std::string line;
  std::getline(lines, line);
  EXPECT_NE(line.find("SIZE  FREES  IMAGE"), std::string::npos) << line;
  std::getline(lines, line);
  EXPECT_TRUE(line.ends_with("  base.cim  fork.cim")) << line;
  std::getline(lines, line);
  EXPECT_TRUE(line.ends_with("  fork.cim  base.cim")) << line;
  std::getline(lines, line);
  EXPECT_TRUE(line.ends_with("  own.cim   -")) << line;
  EXPECT_FALSE(std::getline(lines, line));

  const std::string long_listing = succeed({"ls", "-l", "images"});
  for (const Json& file : list("files")) {
    EXPECT_NE(long_listing.find("  " + file["name"].get<std::string>() + "  "), std::string::npos);
  }
}

TEST_F(ImageDirectoryListing, SizesAreInBytesUnlessTheyAreForPeople) {
  const auto bytes = image("own.cim")["bytes"].get<std::uint64_t>();
  const std::string in_bytes = std::to_string(bytes);
  const std::string for_people = std::to_string(bytes / 1024) + "K";  // both are whole sectors
  for (const std::string options : {"-l", "-lh"}) {
    const std::string listing = succeed({"ls", options, "images"});
    const bool is_for_people = options == "-lh";
    EXPECT_EQ(listing.find(in_bytes) == std::string::npos, is_for_people) << listing;
    EXPECT_EQ(listing.find(for_people + " ") != std::string::npos, is_for_people) << listing;
  }
  fs::remove(path("images/own.cim"));
  EXPECT_THAT(succeed({"ls", "images"}), HasSubstr(" bytes, belong to no image"));
  EXPECT_THAT(succeed({"ls", "-h", "images"}), HasSubstr("K, belong to no image"));
}

TEST_F(ImageDirectoryListing, RefusesOptionsForFiles) {
  for (const std::string option : {"-d", "-r", "-R", "-S", "-t"}) {
    const Result result = cim({"ls", option, "images"});
    EXPECT_EQ(result.status, 2) << option;
    EXPECT_THAT(result.err, HasSubstr(option + ": is for the files of an image; images is a "
                                               "directory of images"));
  }
}

TEST_F(ImageDirectoryListing, NamesOfOneImageAreOneImage) {
  fs::create_symlink("own.cim", path("images/symbolic"));
  EXPECT_EQ(names_in(image("own.cim")["other_names"]), Names{"symbolic"});
  const std::uint64_t frees = image("own.cim")["frees"];
  EXPECT_GT(frees, 200000u);
  ASSERT_EQ(link(path("images/own.cim").c_str(), path("images/hard").c_str()), 0);
  EXPECT_EQ(image("hard")["frees"], 0);
  EXPECT_EQ(names_in(image("hard")["other_names"]), (Names{"own.cim", "symbolic"}));
  EXPECT_NE(succeed({"ls", "images"}).find("hard = own.cim = symbolic"), std::string::npos);
}

TEST_F(ImageDirectoryListing, BrokenImagesAreNamedAndTheOthersListed) {
  write("images/broken.cim", "no image");
  const Result result = cim({"ls", "images"});
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.out.find("fork.cim"), std::string::npos);
  EXPECT_NE(result.err.find("cim: images/broken.cim: "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("cim: images: listed with 1 problem\n"), std::string::npos);
}

TEST_F(ImageDirectoryListing, MissingFilesAreNamed) {
  const std::string region = [&] {
    for (const Json& file : list("files")) {
      if (names_in(file["images"]) == Names{"own.cim"}) return file["name"].get<std::string>();
    }
    return std::string("(none)");
  }();
  fs::remove(path("images/" + region));
  const Result result = cim({"ls", "images"});
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("cim: images/own.cim: " + region + " is missing\n"), std::string::npos)
      << result.err;
}

TEST_F(ImageDirectoryListing, AnEmptyDirectoryHasNoImages) {
  fs::create_directory(path("empty"));
  EXPECT_EQ(Json::parse(succeed({"ls", "--json", "empty"}))["images"], Json::array());
  EXPECT_EQ(fail({"ls", "images", "file"}), "cim: images: is a directory");
}

}  // namespace
}  // namespace cim::cli
