// cim create, add, rm and ln
#include <memory>
#include <optional>
#include <utility>

#include <cim/image.h>
#include <cim/writer.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/image_name.h"
#include "cli/input_archive.h"
#include "cli/new_image.h"
#include "cli/progress_report.h"
#include "cli/source_options.h"
#include "mount/overlay.h"
#include "posix/linux_metadata.h"
#include "transfer/directory_source.h"
#include "transfer/image_files.h"
#include "transfer/import.h"
#include "transfer/upper_import.h"

namespace cim::cli {
namespace {

struct CreateOptions {
  std::string image;
  std::optional<std::string> source;
  std::optional<std::string> tar;   // instead of a source directory
  std::optional<std::string> msix;  // the same
  std::optional<std::string> root;  // of the package
  std::optional<std::string> base;
  std::optional<std::string> upper;         // of an overlay on the base
  std::optional<std::string> work;          // of the same
  std::optional<std::string> upper_format;  // one of overlay_kind_names()
  SourceOptions files;
  bool case_insensitive = false;
  bool force = false;
};

struct AddOptions {
  std::string image;
  std::string source;
  std::optional<std::string> path;
  SourceOptions files;
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

// Returns how many files have other contents in the image than in the source.
std::uint64_t import(Writer& writer, const std::string& image, const std::string& source,
                     const std::u16string& path, const transfer::ImportOptions& options,
                     bool verbose) {
  const transfer::Amount total =
      ProgressReport::shows_bar() ? transfer::measure_tree(source, options) : transfer::Amount();
  ProgressReport report(image, total, verbose);
  return transfer::import_tree(writer, source, path, options, report);
}

// Makes a directory that has no counterpart on disk.
void create_plain_directory(Writer& writer, const std::u16string& path,
                            const transfer::MetadataOverrides& overrides) {
  const posix::LinuxMetadata metadata = transfer::new_directory_metadata(overrides);
  writer.create_directory(path, posix::EncodedMetadata(metadata).get());
}

void create_missing_parents(Writer& writer, const std::u16string& path,
                            const transfer::MetadataOverrides& overrides) {
  for (std::size_t end = path.find(u'\\'); end != std::u16string::npos;
       end = path.find(u'\\', end + 1)) {
    const std::u16string parent = path.substr(0, end);
    const Writer::Kind kind = writer.find(parent);
    if (kind == Writer::Kind::file) {
      throw Error(Errc::not_a_directory, "is not a directory")
          .with_path(image_to_linux_path(parent));
    }
    if (kind == Writer::Kind::none) create_plain_directory(writer, parent, overrides);
  }
}

Writer::Options writer_options(const CreateOptions& options) {
  Writer::Options result = new_image_options(options.image, options.base, "--from");
  result.case_insensitive = options.case_insensitive || options.msix;
  result.expand_executables = options.files.expand_executables || options.msix;
  result.replace = options.force;
  return result;
}

// Returns the same as import().
std::uint64_t import_source(Writer& writer, const CreateOptions& options,
                            transfer::ImportOptions import_options) {
  import_options.skip = transfer::files_of_image(options.image);
  if (options.base) import_options.skip.merge(transfer::files_of_image(*options.base));
  // Without a base there is nothing that a whiteout could change.
  import_options.literal_whiteouts |= !options.base;
  return import(writer, options.image, *options.source, u"", import_options, options.files.verbose);
}

// Returns how many members were left out.
std::uint64_t import_archive(Writer& writer, const CreateOptions& options,
                             const transfer::ImportOptions& import_options) {
  const InputArchive archive(*options.tar);
  ProgressReport report(options.image, {}, options.files.verbose);
  return transfer::import_archive(writer, archive.fd(), archive.name(), import_options, report);
}

// Where a package goes that is put in `root`: by default, where the examples of Microsoft put it.
std::u16string package_root(const std::optional<std::string>& root) {
  try {
    return linux_to_image_path(root.value_or("apps"));
  } catch (const Error& error) {
    throw UsageError(std::string("--root: ") + error.what());
  }
}

void import_package(Writer& writer, const CreateOptions& options) {
  const InputArchive package(*options.msix);
  ProgressReport report(options.image, {});
  transfer::import_msix(writer, package.fd(), package.name(), package_root(options.root), report);
}

// Throws Error for the upper directory of an overlay that is mounted.
void refuse_mounted_overlay(const std::string& upper) {
  const std::optional<std::string> mount = overlay_mounted_on(upper);
  if (!mount) return;
  throw Error(Errc::sharing_violation,
              fmt::format("an overlay on it is mounted at {}; --force takes it as it is", *mount))
      .with_path(upper);
}

// Returns the same as import().
std::uint64_t import_overlay(Writer& writer, const Image& base, const CreateOptions& options) {
  if (!options.force) refuse_mounted_overlay(*options.upper);
  transfer::UpperDirectory upper = {.path = *options.upper, .work = options.work};
  if (options.upper_format) upper.kind = overlay_kind(*options.upper_format);
  ProgressReport report(options.image, {}, options.files.verbose);
  return transfer::import_upper(writer, base, upper, report);
}

void check_upper_options(const CreateOptions& options) {
  if (options.upper) {
    if (!options.base) throw UsageError("'--upper' is only for a fork; '--from' names the base");
    return refuse_changes_of_source(options.files, "--upper");
  }
  if (options.work) throw UsageError("'--work' is only for '--upper'");
  if (options.upper_format) throw UsageError("'--upper-format' is only for '--upper'");
}

void check_package_options(const CreateOptions& options) {
  if (options.msix) return refuse_changes_of_source(options.files, "--msix");
  if (options.root) throw UsageError("'--root' is only for '--msix'");
}

// Call this once the image is made.
void report_incomplete(std::uint64_t files) {
  if (files == 0) return;
  throw Error(Errc::io_error, fmt::format("made, but {} file{} from the source", files,
                                          files == 1 ? " differs" : "s differ"));
}

void create(const CreateOptions& options) {
  check_package_options(options);
  check_upper_options(options);
  check_arguments_of_create(options.image, options.source, options.force);
  transfer::ImportOptions files = to_import_options(options.files);
  Writer writer(writer_options(options));
  std::optional<Image> base;
  if (options.base) files.base = &base.emplace(*options.base);
  files.case_insensitive = options.case_insensitive;
  std::uint64_t incomplete = 0;
  std::uint64_t left_out = 0;
  if (options.source) {
    incomplete = import_source(writer, options, files);
  } else if (options.tar) {
    left_out = import_archive(writer, options, files);
  } else if (options.msix) {
    import_package(writer, options);
  } else if (options.upper) {
    incomplete = import_overlay(writer, *base, options);
  } else if (!options.base) {
    create_plain_directory(writer, u"", files.overrides);
  }
  writer.commit();
  report_incomplete(incomplete);
  if (left_out == 0) return;
  throw Error(Errc::unsupported, fmt::format("made without {} member{} of the archive", left_out,
                                             left_out == 1 ? "" : "s"));
}

// The default place for `source` in `cim add`: its own name.
std::string default_path(const std::string& source) {
  const std::size_t end = source.find_last_not_of('/');
  const std::string trimmed = source.substr(0, end + 1);  // npos + 1 is 0
  const std::string name = trimmed.substr(trimmed.rfind('/') + 1);
  if (name.empty() || name == "." || name == "..") {
    throw UsageError("PATH: is required, as '" + source + "' has no name of its own");
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
  transfer::ImportOptions import_options = to_import_options(options.files);
  Writer::Options writer_options = extending_options(options.image);
  writer_options.expand_executables = options.files.expand_executables;
  Writer writer(writer_options);

  // The writer would replace the directory and everything below it; nobody wants that from `add`.
  if (writer.find(image_path) == Writer::Kind::directory && !is_directory_on_disk(options.source)) {
    throw Error(Errc::is_a_directory, "is a directory in the image")
        .with_image(options.image)
        .with_path(path);
  }
  create_missing_parents(writer, image_path, import_options.overrides);
  const Image base(options.image);
  import_options.base = &base;
  import_options.skip = transfer::files_of_image(options.image);
  const std::uint64_t incomplete = import(writer, options.image, options.source, image_path,
                                          import_options, options.files.verbose);
  writer.commit();
  report_incomplete(incomplete);
}

void remove(const RemoveOptions& options) {
  Writer writer(extending_options(options.image));
  for (const std::string& path : options.paths) writer.remove(linux_to_image_path(path));
  writer.commit();
}

void link(const LinkOptions& options) {
  Writer writer(extending_options(options.image));
  const std::u16string new_path = linux_to_image_path(options.new_path);
  if (writer.find(new_path) != Writer::Kind::none) {
    throw Error(Errc::file_exists, "exists").with_image(options.image).with_path(options.new_path);
  }
  writer.create_hard_link(new_path, linux_to_image_path(options.existing));
  writer.commit();
}

void add_create(Command app) {
  const Command command =
      app.add_subcommand("create", "Make an image of a directory or archive, or a fork");
  const auto options = std::make_shared<CreateOptions>();
  add_image_argument(command, options->image);
  const Option source = command.add_option("SOURCE_DIR", options->source,
                                           "Copy the contents of this directory to the image;\n"
                                           "without it, the image is empty");
  const Option tar = command
                         .add_option("--tar", options->tar,
                                     "Copy the members of this tar archive, compressed\n"
                                     "or not, to the image; '-': standard input")
                         .type_name("FILE")
                         .excludes(source);
  const Option msix = command
                          .add_option("--msix", options->msix,
                                      "Copy the files of this MSIX package, as Windows\n"
                                      "unpacks it, to DIR/FULL_NAME_OF_PACKAGE in the\n"
                                      "image, which is one for Windows")
                          .type_name("FILE")
                          .excludes(source)
                          .excludes(tar);
  command.add_option("--root", options->root, "The directory for that; default: apps")
      .type_name("DIR");
  const Option base = command
                          .add_option("--from", options->base,
                                      "Fork this image in the same directory: start\n"
                                      "with its contents and share its files;\n"
                                      "SOURCE_DIR or FILE is added on top")
                          .type_name("BASE")
                          .excludes(msix);
  command
      .add_option("--upper", options->upper,
                  "Add the changes that an overlay has put into this\n"
                  "upper directory, with a mount of BASE as its lower\n"
                  "directory: the image is what the overlay shows")
      .type_name("UPPER_DIR")
      .excludes(source)
      .excludes(tar)
      .excludes(msix);
  command
      .add_option("--work", options->work,
                  "The workdir of the overlay; it is needed if that\n"
                  "had the option index=on")
      .type_name("WORK_DIR");
  command
      .add_option("--upper-format", options->upper_format,
                  "What has written UPPER_DIR: the kernel's overlay,\n"
                  "the same with the option userxattr, or\n"
                  "fuse-overlayfs; default: told by UPPER_DIR")
      .type_name("FORMAT")
      .one_of(overlay_kind_names());
  add_source_options(command, options->files);
  command
      .add_flag("--case-insensitive", options->case_insensitive,
                "Treat names that differ only in case as one name,\n"
                "as Windows does")
      .excludes(base);
  command.add_flag("-f,--force", options->force,
                   "Replace the image if it exists; take UPPER_DIR as\n"
                   "it is though its overlay is mounted");
  set_action(command, options->image, [options] { create(*options); });
}

void add_add(Command app) {
  const Command command = app.add_subcommand("add", "Copy a file or directory into an image");
  const auto options = std::make_shared<AddOptions>();
  add_image_argument(command, options->image);
  command.add_option("SOURCE", options->source, "The file or directory").required();
  command.add_option("PATH", options->path,
                     "Its path in the image; default: the name of\n"
                     "SOURCE. Missing parent directories are created\n"
                     "with mode 0755 and the caller as owner");
  add_source_options(command, options->files);
  set_action(command, options->image, [options] { add(*options); });
}

void add_rm(Command app) {
  const Command command =
      app.add_subcommand("rm", "Remove files, and directories with their contents");
  const auto options = std::make_shared<RemoveOptions>();
  add_image_argument(command, options->image);
  command.add_option("PATH", options->paths, "What to remove").required();
  set_action(command, options->image, [options] { remove(*options); });
}

void add_ln(Command app) {
  const Command command = app.add_subcommand("ln", "Give a file in an image another name");
  const auto options = std::make_shared<LinkOptions>();
  add_image_argument(command, options->image);
  command.add_option("EXISTING", options->existing, "The file").required();
  command.add_option("NEW", options->new_path, "Its new name; must not exist").required();
  set_action(command, options->image, [options] { link(*options); });
}

}  // namespace

void add_build_commands(Command app) {
  add_create(app);
  add_add(app);
  add_rm(app);
  add_ln(app);
}

}  // namespace cim::cli
