// cim chmod, chown, touch and setfattr
#include <ctime>
#include <functional>
#include <memory>
#include <optional>

#include <cim/image.h>
#include <cim/writer.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/new_image.h"
#include "posix/accounts.h"
#include "posix/attributes.h"
#include "posix/edited_metadata.h"
#include "posix/linux_metadata.h"
#include "posix/mode_change.h"
#include "posix/timestamp.h"
#include "transfer/image_walk.h"

namespace cim::cli {
namespace {

struct ChangeOptions {
  std::string image;
  std::string value;  // MODE, OWNER
  std::vector<std::string> paths;
  bool recursive = false;
  std::optional<std::string> date;
  bool no_create = false;
  std::optional<std::string> name;  // of an extended attribute
  std::optional<std::string> name_to_remove;
  std::string xattr;
};

// Returns parse(text); an error there is wrong usage of `what`.
template <typename Parse>
auto parse_value(const char* what, const std::string& text, Parse&& parse) {
  try {
    return parse(text);
  } catch (const Error& error) {
    throw UsageError(std::string(what) + ": " + error.what());
  }
}

// Changes files of an image, all or none.
class Changer {
 public:
  explicit Changer(const std::string& image) : writer_(extending_options(image)), image_(image) {}

  // `leave_out(file)`: whether a file that is met below a directory stays as it is.
  template <typename LeaveOut>
  void change(const ChangeOptions& options, const posix::MetadataEdit& edit, LeaveOut leave_out) {
    for (const std::string& path : options.paths) {
      try {
        const std::u16string image_path = linux_to_image_path(path);
        const auto id = image_.resolve(image_path);
        if (!id) throw Error(Errc::path_not_found, "no such file or directory");
        change(image_path, image_.file(*id), edit);
        if (options.recursive) change_below(image_path, edit, leave_out);
      } catch (const Error& error) {
        throw error.with_path(path);
      }
    }
  }

  void change(const std::u16string& path, const File& file, const posix::MetadataEdit& edit) {
    if (edit.mode && posix::is_symlink(file)) {
      throw Error(Errc::invalid_argument, "is a symbolic link, which has no permissions");
    }
    writer_.set_metadata(path, posix::EditedMetadata(image_, file, edit).get());
  }

  void create_file(const std::u16string& path, const timespec& mtime) {
    posix::LinuxMetadata metadata;
    metadata.status.st_mode = S_IFREG | S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;
    metadata.status.st_uid = geteuid();
    metadata.status.st_gid = getegid();
    metadata.status.st_mtim = mtime;
    writer_.create_file(path, posix::EncodedMetadata(metadata).get(), 0).close();
  }

  const Image& image() const { return image_; }
  void commit() { writer_.commit(); }

 private:
  template <typename LeaveOut>
  void change_below(const std::u16string& top, const posix::MetadataEdit& edit,
                    LeaveOut leave_out) {
    transfer::ImageWalk walk(image_, {.paths = {top}});
    using Step = transfer::ImageWalk::Step;
    for (Step step = walk.next(); step != Step::end; step = walk.next()) {
      if (step == Step::leave_directory || leave_out(walk.file())) continue;
      const std::u16string path = linux_to_image_path(walk.path());
      if (path.size() <= top.size()) continue;  // changed already, or above
      try {
        change(path, walk.file(), edit);
      } catch (const Error& error) {
        throw error.with_path(walk.path());
      }
    }
  }

  Writer writer_;
  Image image_;
};

bool keep_none(const File& /*file*/) { return false; }

void change(const ChangeOptions& options, const posix::MetadataEdit& edit) {
  Changer changer(options.image);
  changer.change(options, edit, edit.mode ? posix::is_symlink : keep_none);
  changer.commit();
}

void change_mode(const ChangeOptions& options) {
  const mode_t mask = umask(0);
  umask(mask);
  const auto mode = parse_value("MODE", options.value, [mask](const std::string& text) {
    return posix::ModeChange(text, mask);
  });
  change(options, {.mode = [&mode](mode_t old) { return mode.apply(old); }});
}

void change_owner(const ChangeOptions& options) {
  posix::MetadataEdit edit;
  const std::size_t colon = options.value.find(':');
  const std::string owner = options.value.substr(0, colon);
  const bool has_group = colon != std::string::npos;
  if (!owner.empty()) edit.owner = parse_value("OWNER", owner, posix::parse_user);
  if (has_group || owner.empty()) {
    edit.group = parse_value("OWNER", options.value.substr(colon + 1), posix::parse_group);
  }
  change(options, edit);
}

timespec now() {
  timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

void touch(const ChangeOptions& options) {
  const timespec mtime =
      options.date ? parse_value("--date", *options.date, posix::parse_time) : now();
  Changer changer(options.image);
  for (const std::string& path : options.paths) {
    const std::u16string image_path = linux_to_image_path(path);
    const auto id = changer.image().resolve(image_path);
    if (id) {
      changer.change(image_path, changer.image().file(*id), {.mtime = mtime});
    } else if (!options.no_create) {
      changer.create_file(image_path, mtime);
    }
  }
  changer.commit();
}

void set_attribute(const ChangeOptions& options) {
  if (options.name.has_value() == options.name_to_remove.has_value()) {
    throw UsageError("either '--name' or '--remove' is required");
  }
  posix::MetadataEdit edit;
  if (options.name) {
    edit.xattr.emplace(*options.name, options.xattr);
  } else {
    edit.xattr.emplace(*options.name_to_remove, std::nullopt);
  }
  const std::string& name = edit.xattr->first;
  if (name.find('.') == std::string::npos) {
    throw UsageError("'" + name + "' is no name of an attribute, such as 'user.NAME'");
  }
  change(options, edit);
}

void add_command(Command app, const char* name, const char* description,
                 const std::function<void(Command, ChangeOptions&)>& add_options,
                 void (*run)(const ChangeOptions&)) {
  const Command command = app.add_subcommand(name, description);
  const auto options = std::make_shared<ChangeOptions>();
  add_image_argument(command, options->image);
  add_options(command, *options);
  command.add_option("PATH", options->paths, "The files, of which links are not followed")
      .required();
  set_action(command, options->image, [options, run] { run(*options); });
}

void add_recursive_flag(Command command, ChangeOptions& options) {
  command.add_flag("-R,--recursive", options.recursive, "Also everything below directories");
}

}  // namespace

void add_change_commands(Command app) {
  add_command(
      app, "chmod", "Change the permissions of files in an image",
      [](Command command, ChangeOptions& options) {
        command
            .add_option("MODE", options.value, "The permissions, as for chmod(1): 644, u=rwX,go-w")
            .required();
        add_recursive_flag(command, options);
      },
      change_mode);
  add_command(
      app, "chown", "Change the owner or group of files in an image",
      [](Command command, ChangeOptions& options) {
        command
            .add_option("OWNER", options.value,
                        "USER, USER:GROUP or :GROUP, names known here or\n"
                        "numbers")
            .required();
        add_recursive_flag(command, options);
      },
      change_owner);
  add_command(
      app, "touch", "Set the time of files in an image, or make files",
      [](Command command, ChangeOptions& options) {
        command
            .add_option("-d,--date", options.date,
                        "The time: 2026-01-02T03:04:05Z, or @SECONDS since\n"
                        "1970; default: now")
            .type_name("DATE");
        command.add_flag("-c,--no-create", options.no_create, "Make no file that is missing");
      },
      touch);
  add_command(
      app, "setfattr", "Set or remove extended attributes in an image",
      [](Command command, ChangeOptions& options) {
        command.add_option("-n,--name", options.name, "The attribute to set").type_name("NAME");
        command.add_option("-v,--value", options.xattr, "Its value; default: empty")
            .type_name("VALUE");
        command.add_option("-x,--remove", options.name_to_remove, "The attribute to remove")
            .type_name("NAME");
      },
      set_attribute);
}

}  // namespace cim::cli
