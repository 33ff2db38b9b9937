#include "tools/hsmbridge/wiring/stores.h"

#include "base/error.h"
#include "base/log.h"
#include "service/approvals/restored.h"
#include "store/mark.h"
#include "store/sqlite_store.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace hsmbridge::cli {

namespace {

store::OpenOptions reading() {
  store::OpenOptions options;
  options.access = store::Access::read_only;
  return options;
}

// Which file is there; nothing where none is.
std::optional<std::pair<dev_t, ino_t>> file_at(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return std::pair(status.st_dev, status.st_ino);
}

}  // namespace

Stores::Stores(std::shared_ptr<const config::Settings> settings, const Clock& clock)
    : settings_(std::move(settings)), clock_(clock) {}

const std::filesystem::path& Stores::path() const {
  if (!configured()) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("{}: no store is configured, and requests live in one", settings_->file.string())}
        .hint("add  store: {path: /var/lib/hsmbridge/hsmbridge.db}");
  }
  return *settings_->store.path;
}

store::OpenOptions Stores::options() const {
  store::OpenOptions options;
  if (settings_->store.must_exist) options.missing = store::Missing::refuse;
  return options;
}

std::unique_ptr<store::SqliteStore> Stores::open(const store::OpenOptions& options) {
  return store::SqliteStore::open(path(), clock_, options);
}

std::unique_ptr<workflow::Store> Stores::told(std::unique_ptr<workflow::Store> store) {
  std::call_once(restored_told_, [&] {
    if (const auto why = store->restored()) {
      log::warning(fmt::format(
          "the store is an older copy ({}): nothing is submitted or installed until `hsmbridge store accept-restored`",
          *why));
    }
  });
  return store;
}

std::unique_ptr<workflow::Store> Stores::open() {
  return told(open(options()));
}

bool Stores::is_there_or_was() const {
  std::error_code unknown;
  return configured() && (settings_->store.must_exist || std::filesystem::exists(path(), unknown) || unknown ||
                          entries_before().has_value());
}

std::unique_ptr<workflow::Store> Stores::open_to_read() {
  return told(open(reading()));
}

std::unique_ptr<workflow::Store> Stores::open_to_examine() {
  return open(reading());
}

std::unique_ptr<workflow::Store> Stores::open_to_look() {
  const bool may_only_read =
      configured() && ::faccessat(AT_FDCWD, path().c_str(), W_OK, AT_EACCESS) != 0 && errno == EACCES;
  return may_only_read ? open_to_read() : open();
}

workflow::Store& Stores::lent() {
  Lent* mine = nullptr;
  {
    const std::lock_guard lock(mutex_);
    mine = &lent_[std::this_thread::get_id()];
  }
  if (!mine->store || file_at(path()) != mine->file) {
    mine->store.reset();
    // One for each of maybe a hundred threads, which look at one record now and then.
    constexpr unsigned kSmall = 128;
    store::OpenOptions small = options();
    small.page_cache = kSmall;
    mine->store = told(open(small));
    mine->file = file_at(path()).value_or(std::pair<dev_t, ino_t>{});
  }
  return *mine->store;
}

bool Stores::may_only_be_read() const {
  const auto may = [this](int what) { return ::faccessat(AT_FDCWD, path().c_str(), what, AT_EACCESS) == 0; };
  return may(R_OK) && !may(W_OK);
}

std::unique_ptr<workflow::Store> Stores::begin(Before before) {
  std::error_code ignored;
  const bool there =
      configured() && std::filesystem::exists(path(), ignored) && std::filesystem::file_size(path(), ignored) > 0;
  store::OpenOptions options;
  if (before == Before::is_gone) options.missing = store::Missing::start_over;
  auto store = open(options);
  if (there) {
    throw Error{ErrorKind::conflict, fmt::format("the store {} exists already and was not touched", path().string())};
  }
  return store;
}

bool Stores::accept_restored(const std::string& actor) {
  const auto store = open(options());
  // First: should this end here, the store is held back still.
  if (store->restored()) service::ask_again(*store, actor, *settings_, clock_.now());
  return store->accept_restored(actor, clock_.now());
}

void Stores::back_up(const std::filesystem::path& copy) {
  open(reading())->back_up(copy);
}

std::optional<std::uint64_t> Stores::entries_before() const {
  const auto mark = store::read_mark(path());
  return mark && mark->size > 0 ? std::optional(mark->size) : std::nullopt;
}

}  // namespace hsmbridge::cli
