// cim import.
#include <cstdlib>

#include <boost/filesystem.hpp>
#include <openssl/evp.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

class Import : public CliTest {
 protected:
  // Makes the archive NAME.tar, as docker save does, of an image with one layer that has `file`.
  void save_image(const std::string& name, const std::string& content = "text") const {
    write("layer/file", content);
    shell("tar -C layer -cf layer.tar file");
    write("config.json", R"({"os": "linux", "architecture": "amd64",
                             "rootfs": {"diff_ids": ["sha256:)" +
                             digest(read("layer.tar")) + R"("]}})");
    write("manifest.json", R"([{"Config": "config.json", "RepoTags": [")" + name +
                               R"(:1"], "Layers": ["layer.tar"]}])");
    shell("tar -cf " + name + ".tar config.json layer.tar manifest.json");
    shell("rm -r layer layer.tar config.json manifest.json");
  }

  void shell(const std::string& command) const {
    const std::string line = "cd '" + directory() + "' && " + command;
    ASSERT_EQ(std::system(line.c_str()), 0) << command;  // NOLINT(concurrency-mt-unsafe)
  }

  static std::string digest(const std::string& bytes) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(bytes.data(), bytes.size(), hash, &size, EVP_sha256(), nullptr);
    std::string hex;
    for (unsigned index = 0; index < size; ++index) {
      constexpr const char* digits = "0123456789abcdef";
      hex += {digits[hash[index] >> 4], digits[hash[index] & 15]};
    }
    return hex;
  }
};

TEST_F(Import, ReadsArchivesAndStandardInput) {
  save_image("app");
  succeed({"import", "app.cim", "app.tar"});
  EXPECT_EQ(succeed({"cat", "app.cim", "file"}), "text");
  shell("\"$CIM\" import piped.cim - <app.tar");
  shell("gzip -c app.tar | \"$CIM\" import compressed.cim -");
  EXPECT_EQ(succeed({"diff", "app.cim", "piped.cim"}), "");
  EXPECT_EQ(succeed({"diff", "app.cim", "compressed.cim"}), "");
}

TEST_F(Import, TakesTheTagFromTheSource) {
  save_image("app");
  succeed({"import", "app.cim", "oci:app.tar:app:1"});
  EXPECT_EQ(succeed({"cat", "app.cim", "file"}), "text");
  EXPECT_EQ(fail({"import", "other.cim", "oci:app.tar:app:2"}),
            "cim: other.cim: app.tar: has no tag 'app:2'; it has: app:1");
}

TEST_F(Import, TakesAPlatform) {
  save_image("app");
  succeed({"import", "app.cim", "app.tar", "--platform", "linux/amd64"});
  EXPECT_EQ(fail({"import", "other.cim", "app.tar", "--platform", "linux/arm64"}),
            "cim: other.cim: app.tar: has no image for linux/arm64; --platform can choose from: "
            "linux/amd64");
  const Result result = cim({"import", "other.cim", "app.tar", "--platform", "linux"});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.err,
            "cim: --platform: 'linux' is not of the form OS/ARCH[/VARIANT][:OSVERSION]\n");
}

TEST_F(Import, ReplacesAnImageOnlyIfToldTo) {
  save_image("old", "old");
  save_image("new", "new");
  succeed({"import", "app.cim", "old.tar"});
  EXPECT_EQ(fail({"import", "app.cim", "new.tar"}),
            "cim: app.cim: exists already; --force replaces it");
  EXPECT_EQ(succeed({"cat", "app.cim", "file"}), "old");
  succeed({"import", "app.cim", "new.tar", "--force"});
  EXPECT_EQ(succeed({"cat", "app.cim", "file"}), "new");
}

TEST_F(Import, NeedsNoImageOfALayerAfterwards) {
  save_image("app");
  succeed({"import", "app.cim", "app.tar"});
  for (const std::string& name : files()) {
    if (name.starts_with("sha256-")) fs::remove(path(name));
  }
  EXPECT_EQ(cim({"gc", "."}).status, 0);
  EXPECT_EQ(succeed({"cat", "app.cim", "file"}), "text");
  EXPECT_EQ(cim({"check", "--data", "app.cim"}).status, 0);
}

TEST_F(Import, NamesALayerThatIsThereButDamaged) {
  save_image("app");
  succeed({"import", "app.cim", "app.tar"});
  std::string layer;
  for (const std::string& name : files()) {
    if (name.starts_with("sha256-")) layer = name;
  }
  write(layer, "no image");
  EXPECT_EQ(fail({"import", "other.cim", "app.tar"}).find("cim: " + layer + ": "), 0U);
}

TEST_F(Import, LeavesNothingOfWhatFails) {
  save_image("app");
  const std::string bytes = read("app.tar");
  write("short.tar", bytes.substr(0, 2048));
  const auto before = files();
  fail({"import", "app.cim", "short.tar"});
  EXPECT_EQ(files(), before);
}

}  // namespace
}  // namespace cim::cli
