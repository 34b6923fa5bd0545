// cim create, add, rm and ln
#include <algorithm>
#include <ctime>
#include <memory>
#include <optional>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <cim/writer.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/progress_report.h"
#include "format/upcase.h"
#include "posix/metadata.h"
#include "transfer/import.h"

namespace cim::cli {
namespace {

// An image as Writer wants it.
struct ImageName {
  explicit ImageName(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    name = path.substr(slash + 1);  // npos + 1 is 0
    directory = slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  }

  std::string directory;
  std::string name;
};

struct CreateOptions {
  std::string image;
  std::optional<std::string> source;
  std::optional<std::string> base;
  std::vector<std::string> exclude;
  bool case_insensitive = false;
  bool force = false;
};

struct AddOptions {
  std::string image;
  std::string source;
  std::optional<std::string> path;
};

struct RemoveOptions {
  std::string image;
  std::vector<std::string> paths;
};

struct LinkOptions {
  std::string image;
  std::string existing;
  std::string new_path;
};

Writer::Options extending(const std::string& path) {
  const ImageName image(path);
  Writer::Options options;
  options.directory = image.directory;
  options.existing = image.name;
  return options;
}

// The table under which names are the same in the image `path`; none if case counts there.
std::vector<char16_t> case_folding(const std::string& path) {
  const Image image(path);
  if (image.case_sensitive()) return {};
  const auto table = image.upcase_table();
  return {table.begin(), table.end()};
}

void import(Writer& writer, const std::string& image, const std::string& source,
            const std::u16string& path, const transfer::ImportOptions& options) {
  const transfer::Amount total =
      ProgressReport::shows_bar() ? transfer::measure_tree(source, options) : transfer::Amount();
  ProgressReport report(image, total);
  transfer::import_tree(writer, source, path, options, report);
}

// Makes a directory that has no model on disk: as mkdir(2) would, with the common mask.
void create_plain_directory(Writer& writer, const std::u16string& path) {
  constexpr mode_t mode = S_IFDIR | S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH;
  posix::LinuxMetadata metadata;
  metadata.status.st_mode = mode;
  metadata.status.st_uid = geteuid();
  metadata.status.st_gid = getegid();
  clock_gettime(CLOCK_REALTIME, &metadata.status.st_mtim);
  writer.create_directory(path, posix::EncodedMetadata(metadata).get());
}

void create_missing_parents(Writer& writer, const std::u16string& path) {
  for (std::size_t end = path.find(u'\\'); end != std::u16string::npos;
       end = path.find(u'\\', end + 1)) {
    const std::u16string parent = path.substr(0, end);
    const Writer::Kind kind = writer.find(parent);
    if (kind == Writer::Kind::file) {
      throw Error(Errc::not_a_directory, image_to_linux_path(parent) + ": is not a directory");
    }
    if (kind == Writer::Kind::none) create_plain_directory(writer, parent);
  }
}

void check_base(const std::string& base, const std::string& image) {
  namespace fs = boost::filesystem;
  boost::system::error_code unknown;  // of a directory that is missing; the writer says so better
  const bool together =
      fs::equivalent(ImageName(base).directory, ImageName(image).directory, unknown);
  if (together || unknown) return;
  throw CLI::ValidationError(
      "--from", base + " is not in the directory of " + image + ", which would share its files");
}

Writer::Options writer_options(const CreateOptions& options) {
  const ImageName image(options.image);
  Writer::Options result;
  result.directory = image.directory;
  result.name = image.name;
  result.case_insensitive = options.case_insensitive;
  result.replace = options.force;
  if (options.base) {
    check_base(*options.base, options.image);
    result.existing = ImageName(*options.base).name;
  }
  return result;
}

void import_source(Writer& writer, const CreateOptions& options) {
  std::vector<char16_t> upcase;
  transfer::ImportOptions import_options;
  import_options.exclude = options.exclude;
  import_options.skip = transfer::files_of_image(options.image);
  if (options.base) {
    upcase = case_folding(*options.base);
    import_options.upcase = upcase;
    import_options.skip.merge(transfer::files_of_image(*options.base));
  } else if (options.case_insensitive) {
    import_options.upcase = format::windows_upcase_table();
  }
  import(writer, options.image, *options.source, u"", import_options);
}

void create(const CreateOptions& options) {
  Writer writer(writer_options(options));
  if (options.source) {
    import_source(writer, options);
  } else if (!options.base) {
    create_plain_directory(writer, u"");
  }
  writer.commit();
}

// Where `cim add` puts `source` when it is not told: its own name.
std::string default_path(const std::string& source) {
  const std::size_t end = source.find_last_not_of('/');
  const std::string trimmed = source.substr(0, end + 1);  // npos + 1 is 0
  const std::string name = trimmed.substr(trimmed.rfind('/') + 1);
  if (name.empty() || name == "." || name == "..") {
    throw CLI::RequiredError("PATH, since '" + source + "' has no name of its own,");
  }
  return name;
}

bool is_directory_on_disk(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

void add(const AddOptions& options) {
  const std::string path = options.path ? *options.path : default_path(options.source);
  const std::u16string image_path = linux_to_image_path(path);
  Writer writer(extending(options.image));

  // The writer would replace the directory and all below it, which nobody means by `add`.
  if (writer.find(image_path) == Writer::Kind::directory && !is_directory_on_disk(options.source)) {
    throw Error(Errc::is_a_directory, path + ": is a directory in the image");
  }
  create_missing_parents(writer, image_path);
  const std::vector<char16_t> upcase = case_folding(options.image);
  transfer::ImportOptions import_options;
  import_options.skip = transfer::files_of_image(options.image);
  import_options.upcase = upcase;
  import(writer, options.image, options.source, image_path, import_options);
  writer.commit();
}

void remove(const RemoveOptions& options) {
  Writer writer(extending(options.image));
  for (const std::string& path : options.paths) writer.remove(linux_to_image_path(path));
  writer.commit();
}

void link(const LinkOptions& options) {
  Writer writer(extending(options.image));
  const std::u16string new_path = linux_to_image_path(options.new_path);
  if (writer.find(new_path) != Writer::Kind::none) {
    throw Error(Errc::file_exists, options.new_path + ": exists");
  }
  writer.create_hard_link(new_path, linux_to_image_path(options.existing));
  writer.commit();
}

void add_create(CLI::App& app) {
  CLI::App* command = app.add_subcommand("create", "Make an image, of a directory or a fork");
  const auto options = std::make_shared<CreateOptions>();
  add_image_argument(*command, options->image);
  command->add_option("SOURCE_DIR", options->source,
                      "The directory whose contents become the image's;\n"
                      "none: an empty image");
  CLI::Option* base = command
                          ->add_option("--from", options->base,
                                       "Fork this image of the same directory: start\n"
                                       "with its contents and share its files;\n"
                                       "SOURCE_DIR is laid over them")
                          ->type_name("BASE");
  command
      ->add_option("--exclude", options->exclude,
                   "Leave out what this shell pattern matches: the\n"
                   "path within SOURCE_DIR, or what follows any '/'\n"
                   "in it; '*' matches '/' too. Can be repeated")
      ->type_name("GLOB")
      ->allow_extra_args(false);  // one value each
  command
      ->add_flag("--case-insensitive", options->case_insensitive,
                 "Names that differ only by case are one name,\n"
                 "as on Windows")
      ->excludes(base);
  command->add_flag("--force", options->force, "Replace the image if it exists");
  set_action(*command, options->image, [options] { create(*options); });
}

void add_add(CLI::App& app) {
  CLI::App* command = app.add_subcommand("add", "Copy a file or directory into an image");
  const auto options = std::make_shared<AddOptions>();
  add_image_argument(*command, options->image);
  command->add_option("SOURCE", options->source, "The file or directory")->required();
  command->add_option("PATH", options->path,
                      "Its path in the image; default: the name of\n"
                      "SOURCE. Missing directories on the way are made,\n"
                      "with mode 0755 and the caller as owner");
  set_action(*command, options->image, [options] { add(*options); });
}

void add_rm(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("rm", "Remove files, and directories with everything below them");
  const auto options = std::make_shared<RemoveOptions>();
  add_image_argument(*command, options->image);
  command->add_option("PATH", options->paths, "What to remove")->required();
  set_action(*command, options->image, [options] { remove(*options); });
}

void add_ln(CLI::App& app) {
  CLI::App* command = app.add_subcommand("ln", "Give a file of an image one more name");
  const auto options = std::make_shared<LinkOptions>();
  add_image_argument(*command, options->image);
  command->add_option("EXISTING", options->existing, "The file")->required();
  command->add_option("NEW", options->new_path, "Its new name; must not exist")->required();
  set_action(*command, options->image, [options] { link(*options); });
}

}  // namespace

void add_build_commands(CLI::App& app) {
  add_create(app);
  add_add(app);
  add_rm(app);
  add_ln(app);
}

}  // namespace cim::cli
