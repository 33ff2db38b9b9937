#include "audit/leaf.h"
#include "base/error.h"
#include "support/memory/content.h"

#include <algorithm>

// CAs that come from elsewhere.
namespace hsmbridge::test {

namespace {

// Templates, since what a store in memory holds is its own.
template <class Content>
std::optional<Instant> end_here(const Content& all, const std::string& issuer, const std::string& serial) {
  const auto request = all.taken_for.find({issuer, serial});
  if (request == all.taken_for.end() || request->second.empty()) return std::nullopt;
  for (const auto& one : all.certificates) {
    if (one.record.request.str() == request->second && one.record.serial == serial) return one.record.not_after;
  }
  return std::nullopt;
}

// What a revocation that came from elsewhere means for the records.
template <class Transaction, class Content>
void follow(Transaction& transaction, Content& all, const RevokedSerial& revoked, const std::string& actor,
            Instant at) {
  constexpr unsigned kOnHold = 6;
  SpkiHash key;
  const auto request = all.taken_for.find({revoked.issuer, revoked.serial});
  for (const auto& one : all.certificates) {
    if (request == all.taken_for.end() || one.record.request.str() != request->second) continue;
    key = one.record.spki;
    const std::string fingerprint = one.record.fingerprint;
    transaction.change(
        {StatusChange::Of::certificate, fingerprint, {}, revoked.reason == kOnHold ? status::kHeld : status::kRevoked},
        actor, at, "");
    break;
  }
  if (const auto found = all.elsewhere.find({revoked.issuer, revoked.serial}); found != all.elsewhere.end()) {
    key = found->second.key;
  }
  const RevocationReason* const reason = revocation_reason(revoked.reason);
  if (reason == nullptr || !reason->compromise || key.empty()) return;
  transaction.change({StatusChange::Of::key, key.str(), {}, status::kCompromised}, actor, at, "");
}

template <class Content>
bool take(Content& all, const Takeover& takeover, const CertifiedElsewhere& certificate) {
  const auto known = all.elsewhere.find({takeover.issuer, certificate.serial});
  if (known != all.elsewhere.end()) {
    if (known->second.not_after == certificate.not_after) return false;
    throw Error{ErrorKind::conflict, "the certificate was said to end at another time before"};
  }
  if (all.serials[takeover.issuer].count(certificate.serial) > 0 && takeover.from == Takeover::From::a_lost_store) {
    if (end_here(all, takeover.issuer, certificate.serial)) return false;
  } else if (all.serials[takeover.issuer].count(certificate.serial) > 0) {
    throw Error{ErrorKind::conflict, "the serial number " + certificate.serial + " was given here before"};
  }
  all.serials[takeover.issuer].insert(certificate.serial);
  all.elsewhere[{takeover.issuer, certificate.serial}] = certificate;
  return true;
}

template <class Transaction, class Content>
bool learn(Transaction& transaction, Content& all, const std::pair<std::string, std::string>& which,
           const CertifiedElsewhere& told, const std::string& actor, Instant at) {
  const auto found = all.elsewhere.find(which);
  if (found == all.elsewhere.end()) return false;
  CertifiedElsewhere& known = found->second;
  const bool holder = known.holder == ca::Holder::unknown && told.holder != ca::Holder::unknown;
  const bool key = known.key.empty() && !told.key.empty();
  if (holder) known.holder = told.holder;
  if (!key) return holder;
  known.key = told.key;
  if (const auto revoked = all.revoked.find(which); revoked != all.revoked.end()) {
    follow(transaction, all, revoked->second, actor, at);
  }
  return true;
}

template <class Content>
bool take_crl(Content& all, const Takeover& takeover) {
  auto& crls = all.crls[takeover.issuer];
  const std::uint64_t highest = crls.empty() ? 0 : crls.rbegin()->first;
  const auto is_lost = [&](std::uint64_t number) {
    const auto there = crls.find(number);
    return there != crls.end() && there->second.sha256 == kLostCrl && there->second.distribution_point != kEveryShard;
  };
  if (takeover.next_crl_number && !takeover.shards.empty()) {
    if (*takeover.next_crl_number <= highest) throw Error{ErrorKind::conflict, "numbers up to that were given"};
    std::uint64_t number = std::max(*takeover.next_crl_number - 1, highest + 1);
    for (PublishedCrl one : takeover.shards) {
      one.number = number++;
      crls[one.number] = one;
    }
    return true;
  }
  for (const PublishedCrl& one : takeover.shards) crls[one.number] = one;
  if (const auto next = takeover.next_crl_number) {
    if (*next == 1 && (highest == 0 || takeover.from == Takeover::From::another_program)) return false;
    if (is_lost(*next - 1) || is_lost(*next)) return false;
    if (*next <= highest) throw Error{ErrorKind::conflict, "numbers up to that were given"};
    Instant known{};
    for (const auto& [number, one] : crls) {
      if (!one.sha256.empty() && one.distribution_point.empty()) known = one.this_update;
    }
    const std::uint64_t lost = std::max(*next - 1, highest + 1);
    crls[lost] = {lost, known, known, kLostCrl};
    return true;
  }
  if (!takeover.crl) return false;
  const PublishedCrl& crl = *takeover.crl;
  const auto there = crls.find(crl.number);
  if (there != crls.end() && there->second.sha256 == crl.sha256) return false;
  const bool is_last = std::all_of(crls.upper_bound(crl.number), crls.end(),
                                   [](const auto& one) { return one.second.distribution_point == kEveryShard; });
  const bool unpublished = there != crls.end() && there->second.sha256.empty() && is_last;
  if (crl.number <= highest && !(unpublished && takeover.from == Takeover::From::a_lost_store)) {
    throw Error{ErrorKind::conflict, "the CRL is not the last one"};
  }
  crls[crl.number] = crl;
  return true;
}

}  // namespace

TakenOver MemoryStore::take_over(const Takeover& takeover, const std::string& kind, const Json& fact,
                                 const std::string& actor, Instant at) {
  bool resumed = false;
  return write(
      [&](Transaction& transaction, Content& all) {
        const bool is_new_here = all.serials[takeover.issuer].empty() && all.crls[takeover.issuer].empty();
        const bool tells_everything = takeover.from == Takeover::From::a_lost_store || is_new_here;
        TakenOver taken;
        for (const CertifiedElsewhere& one : takeover.certificates) {
          if (take(all, takeover, one)) {
            ++taken.certificates;
          } else if (learn(transaction, all, {takeover.issuer, one.serial}, one, actor, at)) {
            ++taken.learnt;
          }
        }
        for (const RevokedSerial& one : takeover.revoked) {
          if (!all.revoked.try_emplace(std::pair(one.issuer, one.serial), one).second) continue;
          ++taken.revoked;
          follow(transaction, all, one, actor, at);
        }
        taken.crl = take_crl(all, takeover);
        resumed = tells_everything && !all.restorations.empty() &&
                  all.resumed.emplace(takeover.issuer, all.restorations.size()).second;
        const bool skips = takeover.crl_numbers_to_skip > 0;
        if (skips) {
          auto& crls = all.crls[takeover.issuer];
          const std::uint64_t last = (crls.empty() ? 0 : crls.rbegin()->first) + takeover.crl_numbers_to_skip;
          crls[last] = {last, {}, {}, kLostCrl, kEveryShard};
        }
        if (!taken.nothing() || resumed || skips) all.leaf(audit::fact_leaf(kind, fact, actor, at));
        return taken;
      },
      [&](const TakenOver& taken) { return !taken.nothing() || resumed || takeover.crl_numbers_to_skip > 0; });
}

std::optional<CertifiedElsewhere> MemoryStore::certified_elsewhere(const std::string& issuer,
                                                                   const std::string& serial) {
  return read([&](Content& all) -> std::optional<CertifiedElsewhere> {
    const auto found = all.elsewhere.find({issuer, serial});
    if (found == all.elsewhere.end()) return std::nullopt;
    return found->second;
  });
}

std::optional<Instant> MemoryStore::end_of_certificate(const std::string& issuer, const std::string& serial) {
  if (const auto elsewhere = certified_elsewhere(issuer, serial)) return elsewhere->not_after;
  return read([&](Content& all) { return end_here(all, issuer, serial); });
}

std::optional<std::string> MemoryStore::suspended(const std::string& issuer) {
  return read([&](Content& all) -> std::optional<std::string> {
    if (all.restored) return "the store is an older copy of itself (" + *all.restored + ")";
    if (all.restorations.empty() || all.resumed.count({issuer, all.restorations.size()}) > 0) return std::nullopt;
    return "the store was an older copy of itself";
  });
}

}  // namespace hsmbridge::test
