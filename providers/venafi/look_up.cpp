#include "providers/venafi/look_up.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/objects/pem.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

namespace hsmbridge::venafi {
namespace {

constexpr unsigned kPageSize = 100;
constexpr unsigned kMostPages = 100;
// Two ordinary clocks differ by less.
constexpr Duration kClockTolerance = std::chrono::minutes{10};
// Ours may have been wrong by hours when the request was sent, and set right since. What carries our tag needs no date
// to be known: it is searched from so much earlier.
constexpr Duration kClockWrongBy = std::chrono::hours{48};

// Whose request a mark is on. An earlier attempt counts as over, but it may have arrived after that was decided: then
// it is the order that we wanted, and another one would be the second.
enum class Whose { ours, earlier_attempt, another, nobody };

Whose whose(std::string_view mark, const workflow::ProviderCall& call) {
  if (mark == mark_of(call)) return Whose::ours;
  const std::string order = call.order.id.str() + "-";
  if (!mark.starts_with(order)) return Whose::another;
  mark.remove_prefix(order.size());
  unsigned attempt = 0;
  const auto [end, failed] = std::from_chars(mark.data(), mark.data() + mark.size(), attempt);
  const bool number = failed == std::errc() && end == mark.data() + mark.size();
  return number && attempt < call.attempt ? Whose::earlier_attempt : Whose::another;
}

// By its tags; ours before any other.
Whose whose_by_tags(const CertificateRequest& request, const workflow::ProviderCall& call) {
  Whose result = Whose::nobody;
  for (const std::string& tag : request.tags) {
    if (tag.starts_with(kTagName)) {
      result = std::min(result, whose(std::string_view(tag).substr(kTagName.size()), call));
    }
  }
  return result;
}

Whose whose_by_client(const CertificateRequest& request, const workflow::ProviderCall& call) {
  const Whose result = request.client_identifier.empty() ? Whose::nobody : whose(request.client_identifier, call);
  // Another program's identifier marks nothing.
  return result == Whose::another && request.client_type != kClientType ? Whose::nobody : result;
}

class Finder {
 public:
  Finder(Client& client, const Sought& sought)
      : client_(client),
        sought_(sought),
        made_(std::max(sought.call.draft.built_at, sought.call.order.created_at)),
        now_(client.clock().now()),
        sent_from_(std::min(made_, now_) - kClockTolerance),
        from_(std::min({sought.call.draft.built_at, sought.call.order.created_at, now_}) - kClockWrongBy),
        end_(client.clock().since_boot() + sought.call.time_limit) {}

  LookedUp run() {
    if (!sought_.application.empty()) {
      const bool complete = filtered();
      if (conclude() || !complete) return answer();
    }
    const bool complete = search("");
    if (conclude() || !complete) return answer();
    if (!unclear_.empty()) {
      give_up(unclear_);
    } else if (made_ > now_) {
      give_up(fmt::format("it is not found, which proves nothing: our clock was set back since it was made at {}",
                          rfc3339(made_)));
    } else {
      answer_.absent = true;
    }
    return answer();
  }

 private:
  LookedUp answer() { return std::move(answer_); }
  Duration left() const { return end_ - client_.clock().since_boot(); }

  bool give_up(std::string why) {
    answer_.why = std::move(why);
    return false;
  }

  // With the filter by application. A service that does not know its field is asked without.
  bool filtered() {
    try {
      return search(sought_.application);
    } catch (const Error& error) {
      const bool refused = error.detail("http") == "400" || error.detail("http") == "412";
      if (!refused || error.kind() == ErrorKind::denied) throw;
      return true;
    }
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

  // The last page is one that is not full, when all that are counted were seen; an empty one where nothing is counted,
  // since the service may show fewer a page than it is asked for.
  bool pages(const std::string& application) {
    std::set<std::string> seen;
    for (unsigned page = 0; page < kMostPages; ++page) {
      if (left() <= Duration::zero()) {
        return give_up(fmt::format("the search ended at its time limit after {} requests", seen.size()));
      }
      const SearchPage got = client_.search_requests({application, from_, page, kPageSize}, left());
      learn_clock(got);
      const std::size_t before = seen.size();
      for (const CertificateRequest& request : got.requests) {
        if (seen.insert(request.id).second) note(request);
      }
      const bool all_counted = !got.found || static_cast<std::int64_t>(seen.size()) >= *got.found;
      if (got.requests.empty() && !all_counted) {
        return give_up(fmt::format("the service counts {} requests and showed {}", *got.found, seen.size()));
      }
      if (got.requests.empty() || (got.found && all_counted && got.requests.size() < kPageSize)) return true;
      if (seen.size() == before) return give_up("the service showed the same page of its search twice");
    }
    return give_up(fmt::format("there are more than {} requests since then", kMostPages * kPageSize));
  }

  void learn_clock(const SearchPage& page) {
    if (!page.server_clock || clock_known_) return;
    clock_known_ = true;
    const Duration ahead = *page.server_clock - client_.clock().now();
    if (ahead >= -kClockTolerance / 2) return;
    from_ += ahead;
    sent_from_ += ahead;
  }

  void note(const CertificateRequest& request) {
    switch (whose_by_tags(request, sought_.call)) {
      case Whose::ours:
        tagged_.insert(request.id);
        return;
      case Whose::earlier_attempt:
        earlier_.insert(request.id);
        return;
      case Whose::another:
        return;
      case Whose::nobody:
        break;
    }
    if (request.created && *request.created < sent_from_) return;
    if (!sought_.application.empty() && !request.applications.empty() &&
        std::find(request.applications.begin(), request.applications.end(), sought_.application) ==
            request.applications.end()) {
      return;
    }
    unmarked_.insert(request.id);
  }

  // True: there is something to say.
  bool conclude() {
    std::vector<CertificateRequest> ours;
    // Where our tag was found the others need not be fetched.
    for (const auto& [ids, by_tag] : {std::pair{&tagged_, Whose::ours}, std::pair{&earlier_, Whose::earlier_attempt},
                                      std::pair{&unmarked_, Whose::nobody}}) {
      for (const std::string& id : *ids) {
        if (!examine(id, by_tag, ours)) return true;
      }
      if (!ours.empty()) break;
    }
    if (ours.empty()) return false;
    if (ours.size() == 1) {
      answer_.found = std::move(ours.front());
      return true;
    }
    give_up(fmt::format("{} requests there could be this one: {}", ours.size(),
                        joined(ours, ", ", &CertificateRequest::id)));
    return true;
  }

  // Fetches one request whole and compares it. False: nobody can tell, see answer_.why.
  bool examine(const std::string& id, Whose by_tag, std::vector<CertificateRequest>& ours) {
    if (looked_at_.count(id) != 0) return true;
    if (left() <= Duration::zero()) {
      return give_up(fmt::format("the time limit was over before all of {} requests could be compared",
                                 tagged_.size() + earlier_.size() + unmarked_.size()));
    }
    Status status = client_.request(id, left());
    looked_at_.insert(id);
    if (!status.request) {
      unclear(id, "appears in the service's search but cannot be fetched");
      return true;
    }
    const Whose mark = by_tag == Whose::nobody ? whose_by_client(*status.request, sought_.call) : by_tag;
    // What is on record as another order's is none of this one's, whatever its CSR.
    if (mark == Whose::another) return true;
    return weigh(*status.request, by_tag, mark, ours);
  }

  bool weigh(CertificateRequest& request, Whose by_tag, Whose mark, std::vector<CertificateRequest>& ours) {
    switch (compare(request)) {
      case Csr::same:
        if (mark == Whose::nobody) {
          if (request.created && *request.created < sent_from_) return true;
          // An RSA CSR is the same octets whenever it is signed: whoever has the key may have sent it minutes before.
          if (sought_.call.order.enrolment()->key.source != workflow::KeyWish::Source::make) {
            return give_up(
                fmt::format("request {} has our CSR and nothing that marks it as ours: it may be an older one of the "
                            "same bytes, since its key is older than this order",
                            request.id));
          }
          if (!request.created) {
            return give_up(fmt::format("request {} has our CSR and no date: it may be an older one of the same bytes",
                                       request.id));
          }
        }
        ours.push_back(std::move(request));
        return true;
      case Csr::not_shown:
        if (mark == Whose::ours) {
          ours.push_back(std::move(request));
        } else {
          unclear(request.id, "may be this one: its CSR is not shown");
        }
        return true;
      case Csr::unreadable:
        unclear(request.id, "may be this one: its CSR cannot be read");
        return true;
      case Csr::other:
        // Anybody may write any tag: what would be certified must be ours too.
        if (by_tag == Whose::ours) {
          return give_up(fmt::format("request {} carries our mark and another CSR", request.id));
        }
        return true;
    }
    return true;
  }

  // What may be ours and cannot be judged: then nothing proves that ours is absent.
  void unclear(const std::string& id, std::string_view why) {
    if (unclear_.empty()) unclear_ = fmt::format("request {} {}", id, why);
  }

  enum class Csr { same, other, not_shown, unreadable };
  Csr compare(const CertificateRequest& request) const {
    if (request.csr.empty()) return Csr::not_shown;
    try {
      return equal(x509::read_csr(as_bytes(request.csr)), sought_.call.draft.csr) ? Csr::same : Csr::other;
    } catch (const Error&) {
      return Csr::unreadable;
    }
  }

  Client& client_;
  const Sought& sought_;
  const Instant made_;
  const Instant now_;
  Instant sent_from_;  // what carries no mark is ours only from then on
  Instant from_;       // of the search
  const Duration end_;
  bool clock_known_ = false;
  std::set<std::string> tagged_;
  std::set<std::string> earlier_;
  std::set<std::string> unmarked_;
  std::set<std::string> looked_at_;
  std::string unclear_;
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
