#include "providers/venafi/look_up.h"

#include "base/error.h"
#include "x509/pem.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace hsmbridge::venafi {
namespace {

constexpr std::string_view kTagName = "hsmbridge:";
constexpr unsigned kPageSize = 100;
constexpr unsigned kMostPages = 100;
// Two ordinary clocks differ by less.
constexpr Duration kClockTolerance = std::chrono::minutes{10};

bool carries_a_mark(const CertificateRequest& request) {
  return std::any_of(request.tags.begin(), request.tags.end(),
                     [](const std::string& tag) { return tag.starts_with(kTagName); });
}

class Finder {
 public:
  Finder(Client& client, const Sought& sought)
      : client_(client),
        sought_(sought),
        tag_(tag_of(sought.call)),
        mark_(mark_of(sought.call)),
        from_(std::max(sought.call.draft.built_at, sought.call.order.created_at) - kClockTolerance),
        end_(client.clock().since_boot() + sought.call.time_limit) {}

  LookedUp run() {
    if (!search(sought_.application)) return answer();
    if (conclude()) return answer();
    if (!sought_.application.empty()) {
      if (!search("")) return answer();
      if (conclude()) return answer();
    }
    answer_.absent = true;
    return answer();
  }

 private:
  LookedUp answer() { return std::move(answer_); }
  Duration left() const { return end_ - client_.clock().since_boot(); }

  bool give_up(std::string why) {
    answer_.why = std::move(why);
    return false;
  }

  // All pages. False: it ended early, and answer_.why says why.
  bool search(const std::string& application) {
    for (unsigned again = 0; again < 2; ++again) {
      const Instant from = from_;
      if (!pages(application)) return false;
      if (from_ == from) return true;
      // The service's clock turned out to be behind ours: once more, from an earlier time.
    }
    return true;
  }

  bool pages(const std::string& application) {
    std::set<std::string> seen;
    for (unsigned page = 0; page < kMostPages; ++page) {
      if (left() <= Duration::zero())
        return give_up(fmt::format("the search ended at its time limit after {} requests", seen.size()));
      const SearchPage got = client_.search_requests({application, from_, page, kPageSize}, left());
      learn_clock(got);
      const std::size_t before = seen.size();
      for (const CertificateRequest& request : got.requests) {
        if (!seen.insert(request.id).second) continue;
        note(request);
      }
      const bool last = got.requests.size() < kPageSize;
      if (got.found && static_cast<std::int64_t>(seen.size()) >= *got.found) return true;
      if (last && got.found)
        return give_up(fmt::format("the service counts {} requests and showed {}", *got.found, seen.size()));
      if (last) return true;
      if (seen.size() == before) return give_up("the service showed the same page of its search twice");
    }
    return give_up(fmt::format("there are more than {} requests since then", kMostPages * kPageSize));
  }

  void learn_clock(const SearchPage& page) {
    if (!page.server_clock || clock_known_) return;
    clock_known_ = true;
    const Duration ahead = *page.server_clock - client_.clock().now();
    if (ahead < -kClockTolerance / 2) from_ += ahead;
  }

  void note(const CertificateRequest& request) {
    if (std::find(request.tags.begin(), request.tags.end(), tag_) != request.tags.end()) {
      tagged_.insert(request.id);
      return;
    }
    // Somebody else's, or an earlier attempt of ours, which is known to have ended.
    if (carries_a_mark(request)) return;
    if (request.created && *request.created < from_) return;
    if (!sought_.application.empty() && !request.applications.empty() &&
        std::find(request.applications.begin(), request.applications.end(), sought_.application) ==
            request.applications.end())
      return;
    unmarked_.insert(request.id);
  }

  // True: there is something to say.
  bool conclude() {
    std::vector<CertificateRequest> ours;
    for (const std::string& id : tagged_)
      if (!examine(id, ours)) return true;
    // Where our tag was found the others need not be fetched.
    if (ours.empty() && !examine_unmarked(ours)) return true;
    if (ours.empty()) return false;
    if (ours.size() == 1) {
      answer_.found = std::move(ours.front());
      return true;
    }
    std::string ids;
    for (const CertificateRequest& one : ours) ids += (ids.empty() ? "" : ", ") + one.id;
    give_up(fmt::format("{} requests there could be this one: {}", ours.size(), ids));
    return true;
  }

  // False: nobody can tell, see answer_.why.
  bool examine_unmarked(std::vector<CertificateRequest>& ours) {
    for (const std::string& id : unmarked_) {
      if (looked_at_.count(id) != 0) continue;
      if (left() <= Duration::zero())
        return give_up(
            fmt::format("the time limit was over before all of {} requests could be compared", unmarked_.size()));
      if (!examine(id, ours)) return false;
    }
    return true;
  }

  // Fetches one request whole and compares it. False: nobody can tell, see answer_.why.
  bool examine(const std::string& id, std::vector<CertificateRequest>& ours) {
    Status status = client_.request(id, left());
    looked_at_.insert(id);
    if (!status.request) return true;  // gone meanwhile
    const bool tagged = tagged_.count(id) != 0;
    const bool marked = tagged || status.request->client_identifier == mark_;
    switch (compare(*status.request)) {
      case Csr::same:
        if (!marked && !status.request->created)
          return give_up(
              fmt::format("request {} has our CSR and no date: it may be an older one of the same bytes", id));
        if (!marked && *status.request->created < from_) return true;
        ours.push_back(std::move(*status.request));
        return true;
      case Csr::not_shown:
        if (marked) ours.push_back(std::move(*status.request));
        return true;
      case Csr::other:
        // Anybody may write any tag: what would be certified must be ours too.
        if (tagged) return give_up(fmt::format("request {} carries our mark and another CSR", id));
        return true;
    }
    return true;
  }

  enum class Csr { same, other, not_shown };
  Csr compare(const CertificateRequest& request) const {
    if (request.csr.empty()) return Csr::not_shown;
    try {
      return equal(x509::read_csr(as_bytes(request.csr)), sought_.call.draft.csr) ? Csr::same : Csr::other;
    } catch (const Error&) {
      return Csr::other;
    }
  }

  Client& client_;
  const Sought& sought_;
  const std::string tag_;
  const std::string mark_;
  Instant from_;
  const Duration end_;
  bool clock_known_ = false;
  std::set<std::string> tagged_;
  std::set<std::string> unmarked_;
  std::set<std::string> looked_at_;
  LookedUp answer_;
};

}  // namespace

std::string mark_of(const workflow::ProviderCall& call) {
  return fmt::format("{}-{}", call.order.id.str(), call.attempt);
}

std::string tag_of(const workflow::ProviderCall& call) {
  return std::string(kTagName) + mark_of(call);
}

LookedUp look_up_request(Client& client, const Sought& sought) {
  return Finder(client, sought).run();
}

}  // namespace hsmbridge::venafi
