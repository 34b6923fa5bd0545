// cim export-layer.
#include <cstdlib>

#include <gtest/gtest.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

class LayerExportCommand : public CliTest {
 protected:
  LayerExportCommand() {
    write("base/a", "a");
    write("base/d/x", "x");
    write("change/d/new", "n");
    succeed({"create", "base.cim", "base"});
    succeed({"create", "top.cim", "change", "--from", "base.cim"});
    succeed({"rm", "top.cim", "a"});
  }
};

TEST_F(LayerExportCommand, LayersMakeTheSameImagesAgain) {
  succeed({"export-layer", "base.cim", "--tar", "base.tar"});
  succeed({"export-layer", "top.cim", "--parent", "base.cim", "--tar", "top.tar"});
  succeed({"import-layer", "base2.cim", "base.tar"});
  succeed({"import-layer", "top2.cim", "top.tar", "--parent", "base2.cim"});
  EXPECT_EQ(succeed({"diff", "base.cim", "base2.cim"}), "");
  EXPECT_EQ(succeed({"diff", "top.cim", "top2.cim"}), "");
  EXPECT_EQ(succeed({"ls", "top2.cim"}), "d\n");
  EXPECT_EQ(succeed({"export-layer", "top2.cim", "--parent", "base2.cim"}), read("top.tar"));
}

TEST_F(LayerExportCommand, ExportOverwritesNeitherImage) {
  const std::string before = all_contents();
  EXPECT_EQ(fail({"export-layer", "top.cim", "--parent", "base.cim", "--tar", "base.cim"}),
            "cim: top.cim: base.cim: is a part of the image");
  EXPECT_EQ(fail({"export-layer", "top.cim", "--tar", "top.cim"}),
            "cim: top.cim: is a part of the image");
  EXPECT_EQ(all_contents(), before);
}

TEST_F(LayerExportCommand, ExportNamesAParentThatTreatsCaseDifferently) {
  succeed({"create", "windows.cim", "base", "--case-insensitive"});
  EXPECT_EQ(
      fail({"export-layer", "top.cim", "--parent", "windows.cim", "--tar", "top.tar"}),
      "cim: windows.cim: is no layer below an image that treats the case of names differently");
  EXPECT_EQ(fail({"export-layer", "windows.cim", "--tar", "top.tar"}),
            "cim: windows.cim: has no directory Files, as a layer of Windows has");
  EXPECT_FALSE(files().contains("top.tar"));
}

}  // namespace
}  // namespace cim::cli
