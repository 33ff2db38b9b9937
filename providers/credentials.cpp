#include "providers/credentials.h"

#include "base/log.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

namespace hsmbridge::providers {
namespace {

bool same(const Secret& a, const Secret& b) {
  return a.reveal() == b.reveal();
}

class StoredCredentials final : public Credentials {
 public:
  StoredCredentials(std::vector<Source> sources, NeededBy needed, std::function<std::string(const Secret&)> account)
      : needed_(needed), account_of_(std::move(account)) {
    for (Source& source : sources) slots_.push_back({std::move(source), std::nullopt, ""});
  }

  Held current(Duration) override {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_.at(current_);
    if (!slot.read) read(slot);
    return {*slot.read, slot.account};
  }

  bool replace(const Secret& used) override {
    const std::lock_guard lock(mutex_);
    Slot& refused = slots_.at(current_);
    // Several threads may meet the same refused one: only the first moves on.
    if (!refused.read || !same(*refused.read, used)) return true;
    current_ = (current_ + 1) % slots_.size();
    if (++refused_ < slots_.size()) return true;
    // All of them: read again, since somebody may have renewed them.
    refused_ = 0;
    forget();
    if (slots_.size() > 1) return false;
    // A source that gives another one each time is not asked indefinitely.
    if (std::exchange(renewed_, false) || !refused.source.reread) return false;
    try {
      read(refused);
      return renewed_ = !same(*refused.read, used);
    } catch (const Error& error) {
      log::debug("a refused credential cannot be read again: " + error.message());
      return false;
    }
  }

  void doubted() override {
    const std::lock_guard lock(mutex_);
    forget();
  }

  void taken(const Secret& used) override {
    const std::lock_guard lock(mutex_);
    const Slot& slot = slots_.at(current_);
    if (!slot.read || !same(*slot.read, used)) return;
    refused_ = 0;
    renewed_ = false;
  }

  void belongs_to(const Secret& used, const std::string& account) override {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_.at(current_);
    if (slot.read && same(*slot.read, used)) slot.account = account;
  }

  std::vector<Secret> known() override {
    const std::lock_guard lock(mutex_);
    std::vector<Secret> secrets;
    for (const Slot& slot : slots_) {
      if (slot.read) secrets.push_back(*slot.read);
    }
    secrets.insert(secrets.end(), before_.begin(), before_.end());
    return secrets;
  }

 private:
  struct Slot {
    Source source;
    std::optional<Secret> read;
    std::string account;  // of `read`
  };

  void read(Slot& slot) {
    Secret secret = needed_ == NeededBy::every_request ? read_credential(slot.source.get) : slot.source.get();
    slot.account = account_of_ ? account_of_(secret) : std::string{};
    slot.read = std::move(secret);
  }

  void forget() {
    for (Slot& slot : slots_) {
      if (!slot.source.reread || !slot.read) continue;
      // A late answer may still speak of it.
      if (std::none_of(before_.begin(), before_.end(), [&](const Secret& one) { return same(one, *slot.read); })) {
        before_.push_back(std::move(*slot.read));
        if (before_.size() > kMostBefore) before_.erase(before_.begin());
      }
      slot.read.reset();
    }
  }

  static constexpr std::size_t kMostBefore = 4;
  const NeededBy needed_;
  const std::function<std::string(const Secret&)> account_of_;
  std::mutex mutex_;  // guards the rest; held while a secret is read: one reading is enough for all that wait
  std::vector<Slot> slots_;
  std::vector<Secret> before_;  // the last ones that were read and forgotten
  std::size_t current_ = 0;
  std::size_t refused_ = 0;  // one after the other, since one was taken
  bool renewed_ = false;     // the only one was read again since then, and differed
};

}  // namespace

Error about_credentials(Error error) {
  if (workflow::says_lane_is_down(error)) return error;
  return error.with(std::string(workflow::kLaneDetail), std::string(workflow::kLaneDown));
}

std::shared_ptr<Credentials> stored_credentials(std::vector<Source> sources, NeededBy needed,
                                                std::function<std::string(const Secret&)> account) {
  return std::make_shared<StoredCredentials>(std::move(sources), needed, std::move(account));
}

}  // namespace hsmbridge::providers
