#include "pkcs11/login/host_pins.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/target_file.h"
#include "pkcs11/login/token_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <exception>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

constexpr std::size_t kLongestPage = 1'048'576;
// Of one user's page. With an allowance for each, the pages of some two hundred others fit into one's own.
constexpr std::size_t kMostRecords = 64;
constexpr std::size_t kLongestReason = 200;
constexpr unsigned kRoot = 0;

std::string file_prefix(const std::string& token_serial) {
  return fmt::format("hsmbridge-pin-{}-", hex(sha256(as_bytes(token_serial))).substr(0, 32));
}

std::string file_name(const std::string& token_serial, unsigned user) {
  return fmt::format("{}{}.json", file_prefix(token_serial), user);
}

std::filesystem::path file_of(const std::string& token_serial, unsigned user) {
  return token_lock_folder() / file_name(token_serial, user);
}

// Whatever has the name of our own file and is not ours is removed, where the folder lets us: what took its place
// would keep its owner, and a link would be followed.
void remove_planted(const std::filesystem::path& file) {
  struct stat status {};
  if (::lstat(file.c_str(), &status) != 0 || (S_ISREG(status.st_mode) && status.st_uid == ::geteuid())) return;
  if (::unlink(file.c_str()) == 0 || errno == ENOENT) return;
  throw token_lock_trouble(fmt::format("cannot remove {}: {}", file.string(), std::strerror(errno)), file);
}

// The user whose file that is by its name. There is one name a user: "-00" is not root's.
std::optional<unsigned> user_in(const std::string& name, const std::string& token_serial) {
  const std::string prefix = file_prefix(token_serial);
  if (!name.starts_with(prefix)) return std::nullopt;
  unsigned user = 0;
  std::from_chars(name.data() + prefix.size(), name.data() + name.size(), user);
  if (name != file_name(token_serial, user)) return std::nullopt;
  return user;
}

Error unreadable(const std::filesystem::path& file, int error) {
  return Error{ErrorKind::unavailable,
               fmt::format("cannot look for refused PINs in {}: {}", file.string(), std::strerror(error))};
}

// In place of the text of a file that its user hides: not JSON, and another one whenever that file is written.
std::string hidden_text(const std::filesystem::path& file) {
  struct stat status {};
  if (::lstat(file.c_str(), &status) != 0) throw unreadable(file, errno);
  return fmt::format("hidden {} {}.{:09}", status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

// Nothing when it is not there, or is not a file of that user. A FIFO is not waited for, a link not followed. Throws
// unavailable when that cannot be seen: a refusal that is not read would be a PIN sent again.
std::optional<std::string> content_of(const std::filesystem::path& file, unsigned user) {
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == EACCES) return hidden_text(file);
    if (errno == ENOENT || errno == ELOOP || errno == ENXIO) return std::nullopt;  // ENXIO: a socket
    throw unreadable(file, errno);
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw unreadable(file, errno);
  if (!S_ISREG(status.st_mode) || status.st_uid != user) return std::nullopt;
  std::string text;
  std::array<char, 4096> buffer{};
  while (text.size() <= kLongestPage) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw unreadable(file, errno);
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return "longer than is read";  // not JSON
}

// Another user's words, as long as ours may be.
std::string bounded(std::string reason) {
  if (reason.size() <= kLongestReason) return reason;
  std::size_t length = kLongestReason;
  while (length > 0 && (static_cast<unsigned char>(reason[length]) & 0xc0) == 0x80) --length;  // not within a character
  reason.resize(length);
  return reason;
}

PinSubject subject_from(const std::string& token_serial, const Json& json) {
  return {.token_serial = token_serial,
          .user_type = static_cast<UserType>(json.at("user_type").as_integer()),
          .distinction = json.at("distinction").as_string()};
}

Json json_of(const PinRefusal& refusal) {
  return Json::object({{"user_type", static_cast<std::uint64_t>(refusal.subject.user_type)},
                       {"distinction", refusal.subject.distinction},
                       {"at", rfc3339(refusal.at)}});
}

}  // namespace

HostPins::HostPins(std::shared_ptr<PinRefusals> lasting) : lasting_(std::move(lasting)) {}

std::string HostPins::allowance_for(unsigned user, const Record& record) {
  const PinSubject& subject = record.refusal.subject;
  return hex(sha256(as_bytes(
      fmt::format("{}\n{}\n{}\n{}", user, subject.user_type, hex(sha256(as_bytes(record.id))), subject.distinction))));
}

HostPins::Page HostPins::read_page(const std::filesystem::path& file, unsigned user, const std::string& token_serial) {
  Page page;
  const auto text = content_of(file, user);
  if (!text) return page;
  const std::optional<unsigned> by = user == ::geteuid() ? std::nullopt : std::optional(user);
  try {
    const Json json = Json::parse(*text);
    if (json.at("token_serial").as_string() != well_formed(token_serial)) return page;  // linked from another token's
    const Json::Array& records = json.at("records").as_array();
    if (by && records.size() > kMostRecords) throw Error{ErrorKind::corrupt, "too many records"};
    for (const Json& one : records) {
      const std::string reason = one.at("reason").as_string();
      page.records.push_back({.id = one.at("id").as_string(),
                              .refusal = {.subject = subject_from(token_serial, one),
                                          .at = parse_rfc3339(one.at("at").as_string()),
                                          .state = AttemptState::from_words(by ? bounded(reason) : reason),
                                          .recorded_by = by}});
    }
    if (by && user != kRoot) return page;  // what follows counts for its own user, and of root's
    for (const Json& one : json.at("allowed").as_array()) page.allowed.insert(one.as_string());
    for (const Json& one : json.at("cleared").as_array()) {
      page.cleared.push_back(
          {.subject = subject_from(token_serial, one), .at = parse_rfc3339(one.at("at").as_string()), .state = {}});
    }
    for (const Json& one : json.at("shows_wrong_pins").as_array()) page.shows_wrong_pins.insert(one.as_string());
  } catch (const Error&) {
    // When in doubt no attempt is spent: a refusal of every PIN of that token, until a person allows another attempt.
    page = {};
    for (const UserType type : {kSecurityOfficer, kUser, kContextSpecific}) {
      page.records.push_back(
          {.id = hex(sha256(as_bytes(*text))),
           .refusal = {.subject = {.token_serial = token_serial, .user_type = type},
                       .at = {},
                       .state = {PinStanding::refused, fmt::format("unreadable record {}", file.string())},
                       .recorded_by = by}});
    }
  }
  return page;
}

HostPins::Page HostPins::own_page(const std::string& token_serial) {
  return read_page(file_of(token_serial, ::geteuid()), ::geteuid(), token_serial);
}

HostPins::Pages HostPins::read_pages(const std::string& token_serial) {
  Pages pages;
  const std::filesystem::path folder = token_lock_folder();
  std::error_code failed;
  for (std::filesystem::directory_iterator file(folder, failed), end; !failed && file != end; file.increment(failed)) {
    const auto user = user_in(file->path().filename().string(), token_serial);
    if (user) pages[*user] = read_page(file->path(), *user, token_serial);
  }
  if (failed && failed != std::errc::no_such_file_or_directory) {
    throw Error{ErrorKind::unavailable,
                fmt::format("cannot look for refused PINs in {}: {}", folder.string(), failed.message())};
  }
  return pages;
}

Json HostPins::to_json(const std::string& token_serial, const Page& page) {
  const auto record_json = [](const Record& one) {
    Json json = json_of(one.refusal);
    return json.set("id", one.id).set("reason", one.refusal.state.words());
  };
  return Json::object({{"token_serial", well_formed(token_serial)},
                       {"records", Json::list(page.records, record_json)},
                       {"allowed", Json::list(page.allowed)},
                       {"cleared", Json::list(page.cleared, json_of)},
                       {"shows_wrong_pins", Json::list(page.shows_wrong_pins)}});
}

void HostPins::write_page(const std::string& token_serial, const Page& page) {
  const std::filesystem::path file = file_of(token_serial, ::geteuid());
  if (page.empty()) {
    if (::unlink(file.c_str()) == 0 || errno == ENOENT) return;
    throw token_lock_trouble(fmt::format("cannot remove {}: {}", file.string(), std::strerror(errno)), file);
  }
  const std::string text = to_json(token_serial, page).pretty() + "\n";
  if (text.size() > kLongestPage) {
    throw Error{
        ErrorKind::unavailable,
        fmt::format("{} would be longer than is read again: too many records of other users are there", file.string())}
        .hint(
            fmt::format("look whose the files {}* in its folder are; root can remove them", file_prefix(token_serial)));
  }
  remove_planted(file);
  try {
    // Everything is said: a file that is planted there meanwhile has nothing to pass on.
    TargetFile(file).replace(
        as_bytes(text), {.mode = 0644, .owner = std::to_string(::geteuid()), .group = std::to_string(::getegid())});
  } catch (const Error& error) {
    throw token_lock_trouble(error.message(), file);
  }
}

std::optional<PinRefusal> HostPins::lasting(const PinSubject& subject, const Pages& pages) const {
  auto found = lasting_->refused(subject);
  for (const unsigned user : {static_cast<unsigned>(::geteuid()), kRoot}) {
    const auto page = pages.find(user);
    if (page == pages.end()) continue;
    for (const PinRefusal& over : page->second.cleared) {
      if (found && may_be_same(over.subject, subject) && found->at <= over.at) found.reset();
    }
  }
  return found;
}

std::optional<PinRefusal> HostPins::worst(const PinSubject& subject, Whose whose) const {
  const Pages pages = read_pages(subject.token_serial);
  const unsigned self = ::geteuid();
  std::set<std::string> allowed;
  for (const unsigned user : {self, kRoot}) {
    const auto page = pages.find(user);
    if (page != pages.end()) allowed.insert(page->second.allowed.begin(), page->second.allowed.end());
  }
  auto worst = lasting(subject, pages);
  for (const auto& [user, page] : pages) {
    if (whose == Whose::own && user != self) continue;
    for (const Record& one : page.records) {
      if (may_be_same(one.refusal.subject, subject) && !allowed.contains(allowance_for(user, one))) {
        worst = worse(std::move(worst), one.refusal);
      }
    }
  }
  return worst;
}

std::optional<PinRefusal> HostPins::refused(const PinSubject& subject) {
  return worst(subject, Whose::everybodys);
}

std::optional<PinRefusal> HostPins::own(const PinSubject& subject) {
  return worst(subject, Whose::own);
}

void HostPins::record(const PinRefusal& refusal) {
  std::exception_ptr failed;
  try {
    lasting_->record(refusal);
  } catch (const std::exception&) {
    failed = std::current_exception();  // the host is told all the more
  }
  Page page = own_page(refusal.subject.token_serial);
  std::erase_if(page.records, [&](const Record& one) { return one.refusal.subject == refusal.subject; });
  page.records.push_back({.id = hex(random_bytes(8)), .refusal = refusal});
  write_page(refusal.subject.token_serial, page);
  if (failed) std::rethrow_exception(failed);
}

void HostPins::take_back(const PinSubject& subject) {
  lasting_->clear(subject);
  Page page = own_page(subject.token_serial);
  if (std::erase_if(page.records, [&](const Record& one) { return may_be_same(one.refusal.subject, subject); }) == 0) {
    return;
  }
  write_page(subject.token_serial, page);
}

void HostPins::clear(const PinSubject& subject) {
  const bool outlived = lasting_->refused(subject).has_value();
  lasting_->clear(subject);
  Pages pages = read_pages(subject.token_serial);
  Page& own = pages[::geteuid()];
  const auto is_it = [&](const Record& one) { return may_be_same(one.refusal.subject, subject); };
  std::set<std::string> others;
  std::set<std::string> there;
  for (const auto& [user, page] : pages) {
    if (user == ::geteuid()) continue;
    for (const Record& one : page.records) {
      const std::string allowance = allowance_for(user, one);
      there.insert(allowance);
      if (is_it(one)) others.insert(allowance);
    }
  }
  const bool own_too = std::any_of(own.records.begin(), own.records.end(), is_it);
  // Every good login comes here: without anything to forget nothing is written.
  if (!own_too && !outlived && std::includes(own.allowed.begin(), own.allowed.end(), others.begin(), others.end())) {
    return;
  }
  std::erase_if(own.records, is_it);
  own.allowed.insert(others.begin(), others.end());
  std::erase_if(own.allowed, [&](const std::string& allowance) { return !there.contains(allowance); });
  std::erase_if(own.cleared, [&](const PinRefusal& one) { return one.subject == subject; });
  own.cleared.push_back({.subject = subject, .at = SystemClock().now(), .state = {}});
  write_page(subject.token_serial, own);
}

bool HostPins::shows_wrong_pins(const PinSubject& token) const {
  for (const unsigned user : {static_cast<unsigned>(::geteuid()), kRoot}) {
    const Page page = read_page(file_of(token.token_serial, user), user, token.token_serial);
    if (page.shows_wrong_pins.contains(token.distinction)) return true;
  }
  return false;
}

void HostPins::saw_wrong_pin(const PinSubject& token) {
  Page page = own_page(token.token_serial);
  if (!page.shows_wrong_pins.insert(token.distinction).second) return;
  write_page(token.token_serial, page);
}

}  // namespace hsmbridge::pkcs11
