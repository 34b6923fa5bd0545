// Parses the command line.
#include "options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <sys/mount.h>
#include <unistd.h>

#include "program/nearest_word.h"
#include "session.h"

namespace cim {
namespace {

constexpr std::string_view helper_name = "mount.cimfs";

constexpr std::string_view prefetch_option = "prefetch=";
constexpr std::string_view subdirectory_option = "subdir=";
constexpr std::string_view timeout_option = "timeout=";
constexpr std::uint32_t max_prefetch = 1024;
constexpr std::uint32_t max_timeout = 1'000'000'000;

constexpr mode_t all_permissions = 0777;

// Options of fstab(5) and mount(8) that are not for the file system, and those that change nothing
// on one that is always read-only and has the kernel check permissions.
constexpr std::array ignored_options = {
    "async",      "atime",    "auto",       "default_permissions",
    "defaults",   "diratime", "dirsync",    "group",
    "iversion",   "lazytime", "noatime",    "noauto",
    "nodiratime", "nofail",   "nogroup",    "noiversion",
    "nolazytime", "noowner",  "norelatime", "nostrictatime",
    "nouser",     "nousers",  "owner",      "relatime",
    "ro",         "rw",       "silent",     "strictatime",
    "sync",       "user",     "users",      "_netdev",
};

// With the last three, mount(8) repeats what the kernel shows of a mount that it remounts.
constexpr std::array ignored_prefixes = {
    "x-", "X-", "comment=", "user=", "user_id=", "group_id=", "max_read="};

// Options passed on unchanged to the kernel or to fusermount3.
constexpr std::array mount_options = {"allow_other", "auto_unmount"};

// Flags of the mount itself, so that they can be changed at any time. Each option has an opposite
// that starts with `no`. They are passed on, too, except for the last: libfuse does not know it.
struct MountFlag {
  std::string_view option;
  std::uint64_t forbidden;  // the flag of the opposite
};
constexpr std::array mount_flags = {
    MountFlag{"suid", MOUNT_ATTR_NOSUID}, MountFlag{"dev", MOUNT_ATTR_NODEV},
    MountFlag{"exec", MOUNT_ATTR_NOEXEC}, MountFlag{"symfollow", MOUNT_ATTR_NOSYMFOLLOW}};

// The labels of SELinux, passed on with their values.
constexpr std::array label_options = {"context=", "fscontext=", "defcontext=", "rootcontext="};

bool is_label(std::string_view option) {
  return std::any_of(label_options.begin(), label_options.end(),
                     [&](const char* prefix) { return option.starts_with(prefix); });
}

// With `suid` or `dev` and an image of their own, other users could make themselves root. The rest
// is what fusermount3 does not do for them.
constexpr std::array options_for_root = {"suid", "dev", "nosymfollow", "remount"};

template <std::size_t size>
bool contains(const std::array<const char*, size>& list, std::string_view option) {
  return std::find(list.begin(), list.end(), option) != list.end();
}

bool is_ignored(std::string_view option) {
  return option.empty() || contains(ignored_options, option) ||
         std::any_of(ignored_prefixes.begin(), ignored_prefixes.end(),
                     [&](const char* prefix) { return option.starts_with(prefix); });
}

std::uint32_t parse_number(std::string_view name, std::string_view value, int base,
                           std::uint32_t max) {
  std::uint32_t number = 0;
  const char* const end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, number, base);
  if (error != std::errc() || rest != end || number > max) {
    throw UsageError(fmt::format("{}={}: is not {} number up to {}", name, value,
                                 base == 8 ? "an octal" : "a",
                                 base == 8 ? fmt::format("{:o}", max) : fmt::format("{}", max)));
  }
  return number;
}

bool is_number(std::string_view value) { return value.empty() || value[0] <= '9'; }

std::uint32_t parse_id(std::string_view name, std::string_view value) {
  constexpr std::uint32_t invalid_id = 0xFFFFFFFF;
  return parse_number(name, value, 10, invalid_id - 1);
}

// A number, or a name in the system's database of users.
uid_t parse_user(std::string_view value) {
  if (is_number(value)) return parse_id("uid", value);
  const passwd* const user = getpwnam(std::string(value).c_str());
  if (user == nullptr) throw UsageError(fmt::format("uid={}: there is no such user", value));
  return user->pw_uid;
}

gid_t parse_group(std::string_view value) {
  if (is_number(value)) return parse_id("gid", value);
  const group* const found = getgrnam(std::string(value).c_str());
  if (found == nullptr) throw UsageError(fmt::format("gid={}: there is no such group", value));
  return found->gr_gid;
}

mode_t parse_mask(std::string_view name, std::string_view value) {
  return parse_number(name, value, 8, all_permissions);
}

// Takes `name=value` if it sets a default for files without Linux metadata. Returns whether it did.
bool take_default(std::string_view option, posix::MountDefaults& defaults) {
  const std::size_t equals = option.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view name = option.substr(0, equals);
  const std::string_view value = option.substr(equals + 1);
  if (name == "uid") {
    defaults.uid = parse_user(value);
  } else if (name == "gid") {
    defaults.gid = parse_group(value);
  } else if (name == "umask") {
    defaults.file_mask = defaults.directory_mask = parse_mask(name, value);
  } else if (name == "fmask") {
    defaults.file_mask = parse_mask(name, value);
  } else if (name == "dmask") {
    defaults.directory_mask = parse_mask(name, value);
  } else {
    return false;
  }
  return true;
}

constexpr const char* see_help = "see 'cimfs --help'";

UsageError unknown_mount_option(std::string_view name) {
  std::vector<std::string> known = {"uid",      "gid",      "umask",      "fmask",
                                    "dmask",    "nonempty", "child_only", "streams_interface",
                                    "prefetch", "sandbox",  "subdir",     "allow_root",
                                    "remount",  "timeout"};
  for (const MountFlag& flag : mount_flags) {
    known.insert(known.end(), {std::string(flag.option), "no" + std::string(flag.option)});
  }
  known.insert(known.end(), mount_options.begin(), mount_options.end());
  known.insert(known.end(), ignored_options.begin(), ignored_options.end());
  return UsageError(fmt::format("'{}' is no mount option; {}", name,
                                ask_for_nearest_word(name, known, see_help)));
}

// libfuse lets others in and then refuses their requests, but there are none for what the kernel
// has cached for good. So the option is only for root, who gets in without it.
void let_only_root_in(Options& options) {
  if (geteuid() != 0) {
    throw UsageError(
        "allow_root: only root may use this mount option, as it would let everybody see what root "
        "has read; use allow_other");
  }
  std::erase(options.mount_options, "allow_other");
}

void check_user(std::string_view option) {
  if ((contains(options_for_root, option) || is_label(option)) && geteuid() != 0) {
    throw UsageError(fmt::format("{}: only root may use this mount option", option));
  }
}

// Takes one of the flags or its opposite. Returns whether it did.
bool take_flag(std::string_view option, Options& options) {
  const bool is_opposite = option.starts_with("no");
  const std::string_view name = option.substr(is_opposite ? 2 : 0);
  const auto* const flag = std::ranges::find(mount_flags, name, &MountFlag::option);
  if (flag == mount_flags.end()) return false;
  mount_attr& flags = options.flags;
  (is_opposite ? flags.attr_set : flags.attr_clr) |= flag->forbidden;
  (is_opposite ? flags.attr_clr : flags.attr_set) &= ~flag->forbidden;
  if (flag->forbidden != MOUNT_ATTR_NOSYMFOLLOW) options.mount_options.emplace_back(option);
  return true;
}

// While the mount is used, requests must show it: the kernel may not answer from its caches for too
// long.
void set_timeout(std::string_view value, Options& options) {
  options.idle_timeout = std::chrono::seconds(parse_number("timeout", value, 10, max_timeout));
  if (options.idle_timeout.count() == 0) return;
  options.file_system.cache_time =
      std::chrono::duration<double>(idle_interval(options.idle_timeout)).count();
}

// `sloppy` is mount(8)'s -s: unknown options are not an error.
void take_mount_option(std::string_view option, bool sloppy, Options& options) {
  check_user(option);
  if (is_ignored(option) || take_default(option, options.file_system.defaults)) return;
  if (take_flag(option, options)) return;
  if (option.starts_with(subdirectory_option)) {
    options.file_system.subdirectory = option.substr(subdirectory_option.size());
  } else if (option == "nonempty") {
    options.nonempty = true;
  } else if (option == "child_only") {
    options.file_system.child_only = true;
  } else if (option == "streams_interface=windows") {
    options.file_system.stream_paths = true;
  } else if (option == "streams_interface=xattr") {
    options.file_system.stream_paths = false;
  } else if (option.starts_with(prefetch_option)) {
    options.file_system.prefetch =
        parse_number("prefetch", option.substr(prefetch_option.size()), 10, max_prefetch);
  } else if (option.starts_with(timeout_option)) {
    set_timeout(option.substr(timeout_option.size()), options);
  } else if (option == "sandbox=no") {
    options.sandbox = false;
  } else if (option == "remount") {
    options.remount = true;
  } else if (option == "allow_root") {
    let_only_root_in(options);
  } else if (contains(mount_options, option) || is_label(option)) {
    options.mount_options.emplace_back(option);
  } else if (!sloppy) {
    throw unknown_mount_option(option.substr(0, option.find('=')));
  }
}

// A comma in double quotes belongs to the option, as in context="u:r:t:s0:c1,c2".
std::size_t end_of_option(std::string_view list) {
  bool quoted = false;
  std::size_t end = 0;
  for (; end < list.size() && (quoted || list[end] != ','); ++end) quoted ^= list[end] == '"';
  return end;
}

void take_mount_options(std::string_view list, bool sloppy, Options& options) {
  while (!list.empty()) {
    const std::size_t comma = end_of_option(list);
    take_mount_option(list.substr(0, comma), sloppy, options);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

// The defaults for the calling user.
Options options_of_user() {
  Options options;
  options.file_system.defaults.uid = getuid();
  options.file_system.defaults.gid = getgid();
  // What root mounts is open to others, as with any file system. fusermount3 refuses the option to
  // ordinary users unless /etc/fuse.conf allows it.
  if (geteuid() == 0) options.mount_options.emplace_back("allow_other");
  return options;
}

constexpr option long_options[] = {{"foreground", no_argument, nullptr, 'f'},
                                   {"debug", no_argument, nullptr, 'd'},
                                   {"help", no_argument, nullptr, 'h'},
                                   {"version", no_argument, nullptr, 'V'},
                                   {nullptr, 0, nullptr, 0}};

// Those that mount.cimfs has, too; for it, -f is something else.
constexpr const option* common_options = long_options + 2;

// The Error for what getopt_long(3) has returned `result` for: ':' or '?'. `argument` is the one
// that it was reading.
UsageError bad_option(int result, std::string_view argument) {
  if (result == ':') {
    return UsageError(fmt::format("{} is missing after '-{}'; {}", optopt == 'o' ? "OPTS" : "TYPE",
                                  static_cast<char>(optopt), see_help));
  }
  const std::string_view name = argument.substr(0, argument.find('='));
  if (optopt != 0 && argument.starts_with("--") && name != argument) {
    return UsageError(fmt::format("'{}' takes no value; {}", name, see_help));
  }
  if (optopt != 0) {
    return UsageError(fmt::format("'-{}' is no option; {}", static_cast<char>(optopt), see_help));
  }
  std::vector<std::string> known;
  for (const option* known_option = long_options; known_option->name != nullptr; ++known_option) {
    known.push_back(std::string("--") + known_option->name);
  }
  return UsageError(
      fmt::format("'{}' is no option; {}", name, ask_for_nearest_word(name, known, see_help)));
}

UsageError never_writable() {
  return UsageError("-w: an image is always mounted read-only; 'cim fork' makes one to add to");
}

void take_paths(int argc, char* const* argv, Options& options) {
  switch (argc - optind) {
    case 0:
      throw UsageError(fmt::format("IMAGE is missing; {}", see_help));
    case 1:
      throw UsageError(fmt::format("MOUNTPOINT is missing; {}", see_help));
    case 2:
      options.image = argv[optind];
      options.mount_point = argv[optind + 1];
      return;
    default:
      throw UsageError(
          fmt::format("'{}' is one argument too many; {}", argv[optind + 2], see_help));
  }
}

// mount.cimfs IMAGE MOUNTPOINT [-sfnv] [-o OPTIONS] [-t TYPE], as mount(8) calls it.
Options parse_helper_options(int argc, char* const* argv) {
  Options options = options_of_user();
  std::string list;
  bool sloppy = false;
  for (int letter;
       (letter = getopt_long(argc, argv, ":sfnvrwhVo:t:", common_options, nullptr)) != -1;) {
    switch (letter) {
      case 'o':
        list.append(",").append(optarg);
        break;
      case 's':
        sloppy = true;
        break;
      case 'f':
        options.action = Options::Action::check_only;
        break;
      case 'w':
        throw never_writable();
      case 'r':
      case 'n':  // do not write /etc/mtab: nobody does any more
      case 'v':
      case 't':
        break;
      case 'h':
        options.action = Options::Action::show_help;
        return options;
      case 'V':
        options.action = Options::Action::show_version;
        return options;
      default:
        throw bad_option(letter, argv[optind - 1]);
    }
  }
  take_mount_options(list, sloppy, options);
  take_paths(argc, argv, options);
  return options;
}

Options parse_program_options(int argc, char* const* argv) {
  Options options = options_of_user();
  for (int letter; (letter = getopt_long(argc, argv, ":o:fdrwhV", long_options, nullptr)) != -1;) {
    switch (letter) {
      case 'o':
        take_mount_options(optarg, false, options);
        break;
      case 'd':
        options.debug = true;
        options.foreground = true;
        break;
      case 'f':
        options.foreground = true;
        break;
      case 'r':
        break;
      case 'w':
        throw never_writable();
      case 'h':
        options.action = Options::Action::show_help;
        return options;
      case 'V':
        options.action = Options::Action::show_version;
        return options;
      default:
        throw bad_option(letter, argv[optind - 1]);
    }
  }
  take_paths(argc, argv, options);
  return options;
}

}  // namespace

bool is_mount_helper(const char* program) {
  const std::string_view path = program;
  return path.substr(path.rfind('/') + 1) == helper_name;  // npos + 1 is 0
}

Options parse_options(int argc, char* const* argv) {
  opterr = 0;
  return is_mount_helper(argv[0]) ? parse_helper_options(argc, argv)
                                  : parse_program_options(argc, argv);
}

std::string help_text() {
  return R"(Usage: cimfs [OPTION]... IMAGE MOUNTPOINT
       mount -t cimfs IMAGE MOUNTPOINT [-o OPTS]
Mount an image, read-only, on a directory.

Arguments:
  IMAGE                     The image: the path of its .cim file
  MOUNTPOINT                The directory; 'umount MOUNTPOINT' or, for ordinary
                            users, 'fusermount3 -u MOUNTPOINT' unmounts it

Options:
  -o OPTS                   Mount options, separated by commas
  -f, --foreground          Do not go to the background; messages go to
                            standard error
  -r                        Mount read-only, as always
  -d, --debug               Show every request of the kernel; implies -f
  -h, --help                Show this help
  -V, --version             Show the version

Mount options:
  uid=USER, gid=GROUP       Owner of files that record none, as in images made
                            on Windows: a name or a number; default: the user
                            who mounts
  umask=M, fmask=M, dmask=M
                            Permission bits, in octal, to clear for such files
                            and directories; default: fmask=133,dmask=022
  allow_other               Let other users in; default for root
  allow_root                Let only root in; for root
  context=LABEL, fscontext=LABEL, defcontext=LABEL, rootcontext=LABEL
                            Labels of SELinux, for root only; see mount(8)
  subdir=DIR                Show only this directory of the image, as the root
  child_only                Show only what the last fork of the image added
  streams_interface=windows
                            Let the alternate data stream NAME of a file be read
                            as FILE:NAME too; default: only as the extended
                            attribute user.NAME
  prefetch=N                Send up to N small files to the kernel ahead of a
                            reader that reads them in order; default: 64
  timeout=N                 Unmount when the image has been idle for N seconds;
                            default: never
  nonempty                  Mount over a directory that is not empty
  suid, dev                 Honour set-user-id bits and devices, for root only;
                            default: nosuid,nodev
  nosymfollow               Do not follow the symbolic links of the image, for
                            root only
  remount                   Change which of suid, dev, exec and symfollow an
                            image is mounted with, and nothing else, for root
                            only
  sandbox=no                Let the daemon keep rights that it does not need:
                            capabilities, opening files, all system calls
  noexec, auto_unmount      As in mount(8) and fuse(8)

Exit status: 0 the image is mounted, 1 any failure not listed here, 2 wrong
usage, 65 the image is broken, 66 the image or one of its files is missing, 69
its version is unknown, 71 not enough memory, 77 it may not be read or mounted,
78 it needs a feature that is not supported. As a helper of mount(8), which calls
it mount.cimfs: the statuses that mount(8) defines.
)";
}

}  // namespace cim
