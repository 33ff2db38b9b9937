#include "providers/local/crl_place.h"

#include "base/error.h"
#include "base/file.h"
#include "ca/crl.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

namespace hsmbridge::local {

using namespace workflow;

PublishingTurn::PublishingTurn(const std::filesystem::path& file, Duration longest)
    : lock_(::open((file.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) {
  if (!lock_.valid()) {
    throw Error{ErrorKind::denied, fmt::format("{}.lock cannot be opened: {}", file.string(), std::strerror(errno))};
  }
  const auto end = std::chrono::steady_clock::now() + longest;
  while (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() >= end) {
      throw Error{ErrorKind::unavailable, fmt::format("another process publishes {} now", file.string())};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
}

CrlPlace::Scope scope_of(const x509::TbsCertList& list) {
  return ca::is_only_of_authorities(list) ? CrlPlace::Scope::authorities : CrlPlace::Scope::all;
}

namespace {

// A shard in the place of another one would be no revocation for who verifies, and the next one would lack its entries.
// The complete one may follow one of another scope: whether it may is asked of the store.
void expect_at_its_place(const x509::TbsCertList& list, const CrlPlace& place, const std::vector<CrlPlace>& shards) {
  const std::string point = ca::distribution_point_of(list);
  const bool limited = (list.issuing_distribution_point && list.issuing_distribution_point->has_limits) ||
                       (ca::is_only_of_authorities(list) && !place.shard.empty());
  const bool is_shard =
      std::any_of(shards.begin(), shards.end(), [&](const CrlPlace& one) { return one.url == point; });
  if (!limited && (place.shard.empty() ? !is_shard : point == place.url)) return;
  throw Error{ErrorKind::conflict, fmt::format("{} holds {}, and not {}: it was not replaced", place.file.string(),
                                               point.empty() ? "another CRL" : "the CRL of " + point,
                                               place.shard.empty() ? "the complete CRL" : "that of " + place.url)}
      .hint("put the last CRL that was published there back, or name another file under `crl`");
}

}  // namespace

std::optional<CrlThere> crl_there(const CrlPlace& place, const std::vector<CrlPlace>& shards,
                                  const x509::Certificate& issuer) {
  Bytes there;
  try {
    there = read_file(place.file, ca::kLargestCrl);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return std::nullopt;
    throw;
  }
  CrlThere crl;
  x509::TbsCertList list;
  try {
    crl.number = ca::crl_number_of(there, issuer);
    list = x509::parse_crl(there).tbs;
  } catch (const Error& error) {
    if (ca::is_crl_of(there, issuer)) {
      throw Error{ErrorKind::conflict,
                  fmt::format("{} holds a CRL of {} that this program has not written, and was not "
                              "replaced: {}",
                              place.file.string(), issuer.subject().to_string(), error.message())}
          .hint(
              "where the CA was elsewhere before: hsmbridge ca adopt; else put the last CRL of this store (DER) back");
    }
    throw Error{ErrorKind::conflict, fmt::format("{} is not a CRL of {}, and was not replaced: {}", place.file.string(),
                                                 issuer.subject().to_string(), error.message())}
        .hint("name another file under `crl`, or move this one away");
  }
  expect_at_its_place(list, place, shards);
  crl.this_update = list.this_update;
  crl.scope = scope_of(list);
  crl.revoked = std::move(list.revoked);
  return crl;
}

std::string_view spoken_scope(CrlPlace::Scope scope) {
  return scope == CrlPlace::Scope::all ? "all certificates" : "CAs alone";
}

std::set<std::string> serials_of(const std::vector<RevokedSerial>& revoked) {
  std::set<std::string> serials;
  for (const RevokedSerial& one : revoked) serials.insert(one.serial);
  return serials;
}

void refuse_forgotten(const std::filesystem::path& file, const CrlThere& there, const std::string& issuer,
                      const std::set<std::string>& wanted, Revocations& book) {
  for (const x509::RevokedCertificate& one : there.revoked) {
    const std::string serial = x509::serial_text(one.serial);
    if (wanted.count(serial) > 0) continue;
    const auto known = book.revocation(issuer, serial);
    if (known && known->not_after < there.this_update) continue;  // it was on one CRL after its end
    if (known) {
      throw Error{ErrorKind::conflict,
                  fmt::format("{} (CRL number {}) revokes the serial number {}, and the next one there would not: the "
                              "store has it on {}",
                              file.string(), there.number, serial,
                              known->distribution_point.empty() ? "the complete one alone" : known->distribution_point)}
          .hint("nothing was replaced and no number was taken");
    }
    throw Error{ErrorKind::conflict,
                fmt::format("{} (CRL number {}) revokes the serial number {}, and this store knows nothing of that: it "
                            "is not the store that published it, or an older copy of that",
                            file.string(), there.number, serial)}
        .hint(
            "nothing was replaced and no number was taken; bring back the store that published it, or tell this one "
            "what the CA did: hsmbridge ca resume");
  }
}

}  // namespace hsmbridge::local
