#include "base/error.h"
#include "support/memory/content.h"
#include "x509/objects/certificate.h"

#include <algorithm>
#include <set>

// What CAs have numbered and revoked.
namespace hsmbridge::test {

bool MemoryStore::take_serial(const TakenSerial& serial) {
  return write(
      [&](Transaction&, Content& all) {
        const bool taken = all.serials[serial.issuer].insert(serial.serial).second;
        if (taken) all.taken_for[{serial.issuer, serial.serial}] = serial.request;
        if (taken && serial.not_after != Instant{}) {
          Instant& until = all.distribution_points[{serial.issuer, serial.distribution_point}];
          until = std::max(until, serial.not_after);
        }
        return taken;
      },
      [](bool taken) { return taken; });
}

bool MemoryStore::is_taken(const std::string& issuer, const std::string& serial) {
  return read([&](Content& all) { return all.serials[issuer].count(serial) != 0; });
}

std::optional<std::string> MemoryStore::taken_for(const std::string& issuer, const std::string& serial) {
  return read([&](Content& all) -> std::optional<std::string> {
    if (all.serials[issuer].count(serial) == 0) return std::nullopt;
    return all.taken_for[{issuer, serial}];
  });
}

std::uint64_t MemoryStore::serials_taken(const std::string& issuer) {
  return read([&](Content& all) { return std::uint64_t{all.serials[issuer].size()}; });
}

std::optional<ca::OtherThanAuthority> MemoryStore::other_than_authority(const std::string& issuer, Instant ends_after) {
  return read([&](Content& all) -> std::optional<ca::OtherThanAuthority> {
    for (const auto& [key, request] : all.taken_for) {
      if (key.first != issuer || request.empty()) continue;
      for (const auto& one : all.certificates) {
        const bool is_it = one.record.request.str() == request && one.record.serial == key.second;
        if (!is_it || one.record.not_after < ends_after) continue;
        if (ca::holder_of(x509::parse_certificate(one.record.der).content()) == ca::Holder::authority) continue;
        return ca::OtherThanAuthority{key.second, one.record.subject, one.record.not_after, "", true};
      }
      const auto open = all.requests.find(request);
      if (open == all.requests.end() || open->second.final()) continue;
      const Enroll* const asked = open->second.record.order.enrolment();
      if (asked != nullptr && ca::holder_of(asked->content.content) != ca::Holder::authority) {
        return ca::OtherThanAuthority{key.second, "", {}, request, true};
      }
    }
    std::optional<ca::OtherThanAuthority> unknown;
    for (const auto& [key, one] : all.elsewhere) {
      if (key.first != issuer || one.not_after < ends_after || one.holder == ca::Holder::authority) continue;
      const bool is_known = one.holder == ca::Holder::end_entity;
      if (!unknown || is_known) unknown = {one.serial, one.subject, one.not_after, "", is_known};
    }
    return unknown;
  });
}

bool MemoryStore::revoke(const RevokedSerial& revoked) {
  return write(
      [&](Transaction&, Content& all) {
        return all.revoked.try_emplace(std::pair(revoked.issuer, revoked.serial), revoked).second;
      },
      [](bool done) { return done; });
}

std::optional<RevokedSerial> MemoryStore::revocation(const std::string& issuer, const std::string& serial) {
  return read([&](Content& all) {
    const auto found = all.revoked.find(std::pair(issuer, serial));
    return found == all.revoked.end() ? std::nullopt : std::optional(found->second);
  });
}

std::vector<RevokedSerial> MemoryStore::revocations(const std::string& issuer, const std::string& distribution_point,
                                                    Instant ends_after) {
  return read([&](Content& all) {
    std::vector<RevokedSerial> found;
    for (const auto& [key, revoked] : all.revoked) {
      const bool here = distribution_point.empty() || revoked.distribution_point == distribution_point ||
                        revoked.distribution_point == kEveryShard;
      if (revoked.issuer == issuer && here && revoked.not_after >= ends_after) found.push_back(revoked);
    }
    return found;
  });
}

std::size_t MemoryStore::count_revocations(const std::string& issuer, const std::string& distribution_point,
                                           Instant ends_after) {
  return revocations(issuer, distribution_point, ends_after).size();
}

std::vector<std::string> MemoryStore::distribution_points(const std::string& issuer, Instant ends_after) {
  return read([&](Content& all) {
    std::set<std::string> found;
    for (const auto& [key, until] : all.distribution_points) {
      if (key.first == issuer && until >= ends_after) found.insert(key.second);
    }
    for (const auto& [key, revoked] : all.revoked) {
      const bool counts = revoked.issuer == issuer && revoked.not_after >= ends_after;
      if (counts && revoked.distribution_point != kEveryShard) found.insert(revoked.distribution_point);
    }
    return std::vector<std::string>(found.begin(), found.end());
  });
}

std::optional<std::uint64_t> MemoryStore::take_crl_number(const std::string& issuer, std::uint64_t published, Instant) {
  return write([&](Transaction&, Content& all) -> std::optional<std::uint64_t> {
    auto& crls = all.crls[issuer];
    const std::uint64_t number = crls.empty() ? 1 : crls.rbegin()->first + 1;
    if (number <= published) return std::nullopt;
    crls[number] = {number, {}, {}, ""};
    return number;
  });
}

bool MemoryStore::is_crl_number_taken(const std::string& issuer, std::uint64_t number) {
  return read([&](Content& all) {
    const auto& crls = all.crls[issuer];
    const auto taken = crls.find(number);
    return taken != crls.end() && taken->second.sha256 != kLostCrl;
  });
}

void MemoryStore::crl_published(const std::string& issuer, const PublishedCrl& crl) {
  write([&](Transaction&, Content& all) {
    auto& crls = all.crls[issuer];
    const auto taken = crls.find(crl.number);
    if (taken == crls.end() || !taken->second.sha256.empty()) {
      throw Error{ErrorKind::conflict, "that CRL number was published before, or was never taken"};
    }
    taken->second = crl;
    return true;
  });
}

std::optional<PublishedCrl> MemoryStore::last_crl(const std::string& issuer, const std::string& distribution_point) {
  return read([&](Content& all) {
    std::optional<PublishedCrl> last;
    for (const auto& [number, one] : all.crls[issuer]) {
      if (!one.sha256.empty() && one.distribution_point == distribution_point) last = one;
    }
    return last;
  });
}

std::optional<PublishedCrl> MemoryStore::published_crl(const std::string& issuer, std::uint64_t number) {
  return read([&](Content& all) -> std::optional<PublishedCrl> {
    const auto found = all.crls[issuer].find(number);
    if (found == all.crls[issuer].end() || found->second.sha256.empty()) return std::nullopt;
    return found->second;
  });
}

void MemoryStore::crl_put(const std::string& issuer, const std::string& url, std::uint64_t number) {
  write([&](Transaction&, Content& all) {
    std::uint64_t& last = all.crls_put[{issuer, url}];
    last = std::max(last, number);
    return true;
  });
}

std::uint64_t MemoryStore::number_put(const std::string& issuer, const std::string& url) {
  return read([&](Content& all) {
    const auto found = all.crls_put.find({issuer, url});
    return found == all.crls_put.end() ? std::uint64_t{0} : found->second;
  });
}

}  // namespace hsmbridge::test
