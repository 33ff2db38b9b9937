#include "base/error.h"
#include "base/file.h"
#include "ca/crl.h"
#include "ca/issue.h"
#include "providers/local/crl_place.h"
#include "providers/local/parts.h"
#include "providers/local/provider.h"
#include "workflow/ports/crl_place_fault.h"
#include "x509/content/extensions.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <set>
#include <utility>

// The CRLs of the CA: which of them are wanted, and the next one of each. It is built and linted, then signed, then
// published: three steps, since a signature may take its time.
namespace hsmbridge::local {

using namespace workflow;

namespace {

// INTEGER content octets again.
Bytes serial_octets(const std::string& text) {
  Bytes octets = from_hex(text);
  if (!octets.empty() && octets[0] >= 0x80) octets.insert(octets.begin(), 0);
  return octets;
}

// What an entry must have ended before to leave the next CRL: on one CRL after its end each stays (RFC 5280 §3.3), and
// what ended before the last one was on it. Of one of the future nobody can say that yet.
Instant leaves_before(const std::optional<PublishedCrl>& last, Instant now) {
  return last ? std::min(last->this_update, now) : Instant{};
}

// thisUpdate of the last one. One may be there that nobody wrote down, of a process that died.
Instant newest_of(const std::optional<PublishedCrl>& last, const std::optional<CrlThere>& there) {
  return std::max(last ? last->this_update : Instant{}, there ? there->this_update : Instant{});
}

// Nobody may become good again because the configuration does not name the CRL any more that says otherwise.
void expect_none_lost(const Settings::Crl& crl, const std::string& issuer, Revocations& book, Instant now) {
  // An entry is on one CRL after the end of its certificate (RFC 5280 §3.3).
  const auto points = book.distribution_points(issuer, now - crl.next_update);
  for (const std::string& point : points) {
    const bool is_published = point.empty() ? !crl.file.empty()
                                            : std::any_of(crl.shards.begin(), crl.shards.end(),
                                                          [&](const CrlPlace& one) { return one.url == point; });
    if (is_published) continue;
    if (!point.empty()) {
      throw Error{ErrorKind::conflict, fmt::format("certificates that have not ended name the CRL {}, and `crl` of the "
                                                   "configuration publishes it no more",
                                                   point)}
          .hint("set `shards` and `url` back to what they were, or `shards` higher: nothing was published");
    }
    throw Error{ErrorKind::conflict,
                "certificates that have not ended name no shard, and `crl` of the configuration publishes shards "
                "alone"}
        .hint("add  complete: {file: …, url: …}  to `crl`: the complete CRL, where it was");
  }
  if (!crl.file.empty()) return;
  if (const auto last = book.last_crl(issuer, "")) {
    throw Error{ErrorKind::conflict,
                fmt::format("a complete CRL was published before (number {}, until {}), and `crl` "
                            "of the configuration publishes shards alone: certificates may name it",
                            last->number, rfc3339(last->next_update))}
        .hint("add  complete: {file: …, url: …}  to `crl`, where the complete CRL was");
  }
}

}  // namespace

std::vector<CrlPlace> LocalProvider::crl_places() const {
  std::vector<CrlPlace> places;
  if (!settings_.crl) return places;
  const Settings::Crl& crl = *settings_.crl;
  if (!crl.file.empty()) places.push_back({"", crl.file, crl.url, crl.read_back, crl.scope, crl.put});
  places.insert(places.end(), crl.shards.begin(), crl.shards.end());
  if (!dependencies_.service) return places;
  for (CrlPlace& place : places) place.most_octets = dependencies_.service->most_octets();
  return places;
}

// ---- which shard a certificate names --------------------------------------------------------------------------------

// As many bits as make each as likely as any other.
const CrlPlace* LocalProvider::shard_of(ByteView serial) const {
  if (!settings_.has_shards()) return nullptr;
  std::uint64_t number = 0;
  for (const std::uint8_t octet : serial.last(std::min(serial.size(), sizeof number))) number = number << 8U | octet;
  return &settings_.crl->shards[number % settings_.crl->shards.size()];
}

ca::Profile LocalProvider::rules_for(const Order& order, ByteView serial) const {
  ca::Profile rules = profile_of(order.profile);
  if (const CrlPlace* const shard = shard_of(serial)) rules.crl_urls = {shard->url};
  return rules;
}

// By what the certificate says: `shards` may have been another number when it was issued.
std::string LocalProvider::shard_named_by(const x509::Certificate& certificate) const {
  std::vector<std::string> named;
  for (const x509::Extension& extension : certificate.tbs.extensions) {
    if (extension.oid == x509::oids::kCrlDistributionPoints) named = x509::crl_urls(extension.value);
  }
  const auto is_named = [&](const std::string& url) {
    return std::find(named.begin(), named.end(), url) != named.end();
  };
  for (const CrlPlace& place : crl_places()) {
    if (!place.shard.empty() && is_named(place.url)) return place.url;
  }
  const auto points = dependencies_.revocations().distribution_points(issuer_id(certificate.issuer()), Instant{});
  const auto known = std::find_if(points.begin(), points.end(), is_named);
  return known == points.end() ? "" : *known;
}

// ---- what is wanted -------------------------------------------------------------------------------------------------

CrlStanding LocalProvider::crl_standing() {
  return crl_standing(dependencies_.revocations(), dependencies_.serials());
}

CrlStanding LocalProvider::crl_standing(Revocations& book, SerialNumbers& serials) {
  CrlStanding standing;
  const x509::Certificate issuer = certificate();
  standing.certificate = issuer.der;
  if (!settings_.crl) return standing;
  const Instant now = clock_.now();
  const std::string id = issuer_id(issuer.subject());
  standing.crl_life = settings_.crl->next_update;
  standing.crl_every = settings_.crl->every;
  for (CrlPlace& place : crl_places()) {
    PlacedCrl crl{std::move(place), std::nullopt, false, "", ""};
    crl.last = book.last_crl(id, crl.place.distribution_point());
    crl.overdue = is_crl_overdue(crl.last, now);
    crl.due = crl_due(crl, issuer, book, now);
    if (!crl.place.put.empty()) crl.not_put = why_not_put(crl.place, crl.last, book.number_put(id, crl.place.put));
    standing.crls.push_back(std::move(crl));
  }
  try {
    expect_none_lost(*settings_.crl, id, book, now);
    expect_scope_to_fit(standing.crls.front().place, issuer, book, serials, now);
  } catch (const Error& error) {
    standing.obstacle = error;
    standing.crls.front().due = error.message();  // publishing one says it too, and what to do
  }
  return standing;
}

// Also what has ended since the last CRL, which an entry stays on one CRL more for.
void LocalProvider::expect_scope_to_fit(const CrlPlace& place, const x509::Certificate& issuer, Revocations& book,
                                        SerialNumbers& serials, Instant now) const {
  if (place.scope == CrlPlace::Scope::all) return;
  const std::string id = issuer_id(issuer.subject());
  const auto last = book.last_crl(id, "");
  const Instant since = last ? leaves_before(last, now) : now;
  const auto other = serials.other_than_authority(id, since);
  if (!other) return;
  if (!other->is_known) {
    // Whoever looks for one of another kind has not found it in the last one either: nothing changes for him.
    const auto there = crl_there(place, {}, issuer);
    if (there && there->scope == CrlPlace::Scope::authorities) return;
  }
  const auto [why, hint] = ca::against_scope(*other, settings_.name);
  throw Error{ErrorKind::conflict, why}.hint(hint);
}

std::string LocalProvider::crl_due(const PlacedCrl& crl, const x509::Certificate& issuer, Revocations& book,
                                   Instant now) {
  if (!crl.last) return "none was published yet";
  if (crl.last->sha256 == kLostCrl) return "the last one is lost";
  const Duration most = settings_.crl->every.value_or(settings_.crl->next_update / 2);
  if (crl.last->this_update + most <= now) return fmt::format("the last one is of {}", rfc3339(crl.last->this_update));
  const std::string id = issuer_id(issuer.subject());
  const std::string point = crl.place.distribution_point();
  const Instant since = leaves_before(crl.last, now);
  const std::size_t revoked = book.count_revocations(id, point, since);
  const std::lock_guard lock(mutex_);
  Compared& compared = compared_[point];
  // Revocations are never taken back: as many as before are the same ones. Their dates tell nothing, since one may be
  // dated back.
  if (compared.number != crl.last->number || compared.revoked != revoked) {
    std::set<std::string> missing = serials_of(book.revocations(id, point, since));
    try {
      const auto there = crl_there(crl.place, settings_.crl->shards, issuer);
      if (!there) return "the last one is not in its place";
      // Put there by somebody who was stopped before he wrote it down.
      if (there->number != crl.last->number) {
        return fmt::format("CRL number {} is in the place of number {}", there->number, crl.last->number);
      }
      if (there->scope != crl.place.scope) {
        return fmt::format("the last one is about {}, and `scope` says {}", spoken_scope(there->scope),
                           spoken_scope(crl.place.scope));
      }
      for (const x509::RevokedCertificate& one : there->revoked) missing.erase(x509::serial_text(one.serial));
    } catch (const Error& error) {
      return error.message();  // publishing one says it too, and what to do
    }
    compared = {crl.last->number, revoked, missing.size()};
  }
  return compared.missing == 0 ? "" : fmt::format("what was revoked since the last one: {}", compared.missing);
}

// ---- the next one ---------------------------------------------------------------------------------------------------

CrlPlace LocalProvider::place_of(const std::string& shard) const {
  auto places = crl_places();
  if (places.empty()) {
    throw Error{ErrorKind::invalid_input, fmt::format("provider {} does not say where its CRL goes", settings_.name)}
        .hint("add  crl: {file: /srv/www/issuing.crl, url: \"http://ca.example.com/issuing.crl\"}");
  }
  const auto place =
      std::find_if(places.begin(), places.end(), [&](const CrlPlace& one) { return one.shard == shard; });
  if (place != places.end()) return std::move(*place);
  throw Error{ErrorKind::invalid_input,
              fmt::format("provider {} publishes {}", settings_.name,
                          shard.empty() ? "shards and no complete CRL" : "no shard " + shard)};
}

MadeCrl LocalProvider::publish_crl(const std::string& shard, Instant now) {
  return publish(shard, now, Wanted::anyway).value();
}

std::optional<MadeCrl> LocalProvider::publish_due_crl(const std::string& shard, Instant now) {
  return publish(shard, now, Wanted::where_due);
}

std::optional<MadeCrl> LocalProvider::publish_crl_after_future(const std::string& shard, Instant now) {
  return publish(shard, now, Wanted::after_future);
}

std::optional<MadeCrl> LocalProvider::publish(const std::string& shard, Instant now, Wanted wanted) {
  if (dependencies_.service) {
    throw Error{ErrorKind::internal, fmt::format("the CRLs of {} are requests: its key is at provider {}",
                                                 settings_.name, settings_.key_service->provider)};
  }
  const CrlPlace place = place_of(shard);
  const x509::Certificate issuer = certificate();
  const std::string id = issuer_id(issuer.subject());
  std::optional<PublishingTurn> turn;
  std::optional<MadeCrl> left;
  std::optional<NextCrl> next;
  const auto at_place = [&](const auto& work) {
    try {
      work();
    } catch (const Error& error) {
      throw of_crl_place(error, place.file.string());
    }
  };
  at_place([&] {
    expect_folder_takes_files(place.file);
    Revocations& book = dependencies_.revocations();
    // Nobody waits for this process while it waits for a web server.
    expect_newest(place, issuer, book.last_crl(id, place.distribution_point()));
    turn.emplace(place.file);
    expect_to_publish(place, issuer, now);
    // What another process has published meanwhile is known now.
    const auto last = book.last_crl(id, place.distribution_point());
    if (wanted == Wanted::where_due && crl_due({place, last, false, "", ""}, issuer, book, now).empty()) return;
    std::optional<Instant> after_future;
    if (wanted == Wanted::after_future) {
      after_future = newest_of(last, crl_there(place, settings_.crl->shards, issuer));
      if (*after_future <= now) return;
    }
    left = left_in_place(place, issuer, now);
    if (!left) next = next_crl(place, issuer, now, after_future);
  });
  if (!next) return left;
  const Bytes der = sign_crl(*next, issuer, now);
  const ca::CrlFields& fields = next->fields;
  MadeCrl made{{fields.number, fields.this_update, fields.next_update, hex(sha256(der)), fields.distribution_point},
               fields.entries.size(),
               next->place,
               next->after_future};
  at_place([&] { put_in_place(id, made, der); });
  return made;
}

void LocalProvider::expect_to_publish(const CrlPlace& place, const x509::Certificate& issuer, Instant now) const {
  expect_not_suspended(issuer.subject());
  ca::expect_crl_signer(issuer);
  expect_none_lost(*settings_.crl, issuer_id(issuer.subject()), dependencies_.revocations(), now);
  // Before a number is taken: however often somebody tries again, the answer is the same.
  expect_scope_to_fit(place, issuer, dependencies_.revocations(), dependencies_.serials(), now);
}

LocalProvider::NextCrl LocalProvider::next_crl(const CrlPlace& place, const x509::Certificate& issuer, Instant now,
                                               const std::optional<Instant>& after_future) {
  const std::filesystem::path& file = place.file;
  const std::string point = place.distribution_point();
  Revocations& book = dependencies_.revocations();
  const std::string id = issuer_id(issuer.subject());
  const auto last = book.last_crl(id, point);
  const Instant this_update = std::chrono::floor<std::chrono::seconds>(now);
  const auto there = crl_there(place, settings_.crl->shards, issuer);
  const Instant newest = newest_of(last, there);
  if (this_update < newest && (!after_future || *after_future < newest)) {
    throw Error{ErrorKind::conflict, fmt::format("the last CRL is of {}, and this machine's clock says {}",
                                                 rfc3339(newest), rfc3339(this_update))}
        .hint(fmt::format("set the clock right; where it is right now, and was ahead when that CRL was signed: "
                          "hsmbridge ca crl {} --clock-was-ahead",
                          settings_.name));
  }
  const auto revoked = book.revocations(id, point, leaves_before(last, this_update));
  if (there) {
    refuse_forgotten(file, *there, id, serials_of(revoked), book);
  } else if (last && last->sha256 != kLostCrl) {
    throw Error{ErrorKind::conflict,
                fmt::format("{} is not there, and CRL number {} of {} was published: what the last one says cannot be "
                            "compared",
                            file.string(), last->number, issuer.subject().to_string())}
        .hint(fmt::format("put the last CRL (DER) back at {}: number {} has the SHA-256 {}", file.string(),
                          last->number, last->sha256));
  }
  NextCrl next{place, {}, {}};
  if (this_update < newest) next.after_future = newest;
  next.fields.this_update = this_update;
  next.fields.next_update = std::min<Instant>(this_update + settings_.crl->next_update, issuer.tbs.validity.not_after);
  next.fields.distribution_point = point;
  next.fields.only_authorities = place.scope == CrlPlace::Scope::authorities;
  for (const RevokedSerial& one : revoked) {
    next.fields.entries.push_back({serial_octets(one.serial), std::min(one.revoked_at, this_update), one.reason});
  }
  expect_to_fit(next, issuer);
  const auto number = book.take_crl_number(id, there ? there->number : 0, now);
  if (!number) {
    throw Error{ErrorKind::conflict,
                fmt::format("{} has the CRL number {}, and this store has not given as many: it is "
                            "not the store that published it, or an older copy of that",
                            file.string(), there->number)}
        .hint(last ? "nothing was replaced and no number was taken: numbers never go back"
                   : fmt::format("no number was taken; take over what the CA did elsewhere: hsmbridge ca adopt {}",
                                 settings_.name));
  }
  next.fields.number = *number;
  next.to_be_signed = ca::crl_to_be_signed(next.fields, issuer, ca::issuing_algorithm(settings_.algorithm, issuer));
  return next;
}

void LocalProvider::expect_to_fit(const NextCrl& next, const x509::Certificate& issuer) const {
  if (next.place.most_octets == 0) return;
  ca::CrlFields longest = next.fields;
  longest.number = std::numeric_limits<std::int64_t>::max();
  const std::size_t octets =
      ca::crl_to_be_signed(longest, issuer, ca::issuing_algorithm(settings_.algorithm, issuer)).size();
  if (octets <= next.place.most_octets) return;
  throw Error{ErrorKind::refused,
              fmt::format("a CRL with {} revoked has {} bytes, and provider {} signs {} at once",
                          longest.entries.size(), octets, settings_.key_service->provider, next.place.most_octets)}
      .hint("no number was taken; entries leave a CRL when their certificates end");
}

void LocalProvider::lint_next(const NextCrl& next, Instant now) {
  auto found = ca::lint_crl(next.to_be_signed, now);
  ask_linters(ca::Artefact::crl, next.to_be_signed, found);
  ca::refuse_errors(found);
}

Bytes LocalProvider::sign_crl(const NextCrl& next, const x509::Certificate& issuer, Instant now) {
  lint_next(next, now);
  Json facts = Json::object({{"provider", settings_.name},
                             {"issuer", issuer.subject().to_string()},
                             {"crl_number", static_cast<std::int64_t>(next.fields.number)},
                             {"entries", static_cast<std::int64_t>(next.fields.entries.size())},
                             {"to_be_signed_sha256", hex(sha256(next.to_be_signed))},
                             {"linted_by", linted_by(ca::Artefact::crl)}});
  if (!next.place.shard.empty()) facts.set("distribution_point", next.fields.distribution_point);
  if (next.fields.only_authorities) facts.set("scope", "ca");
  if (next.after_future) facts.set("after_crl_of", rfc3339(*next.after_future));
  const auto key = dependencies_.open(Purpose::crl, x509::spki_hash(issuer.spki()), facts, kByHand);
  return ca::signed_crl(next.to_be_signed, issuer, *key, ca::issuing_algorithm(settings_.algorithm, issuer), now);
}

void LocalProvider::put_in_place(const std::string& issuer, const MadeCrl& made, const Bytes& der) {
  const std::filesystem::path& file = made.place.file;
  write_file(file, der, FileMode::public_0644, Existing::replace);
  if (read_file(file, ca::kLargestCrl) != der) {
    throw Error{ErrorKind::corrupt, fmt::format("{} does not hold what was written to it", file.string())};
  }
  dependencies_.revocations().crl_published(issuer, made.crl);
}

// ---- on a web server ------------------------------------------------------------------------------------------------

// What is put somewhere is put as it was signed: no other number, and no other signature.
std::optional<MadeCrl> LocalProvider::left_in_place(const CrlPlace& place, const x509::Certificate& issuer,
                                                    Instant now) {
  if (place.put.empty()) return std::nullopt;
  Revocations& book = dependencies_.revocations();
  const std::string id = issuer_id(issuer.subject());
  const auto last = book.last_crl(id, place.distribution_point());
  const auto there = crl_there(place, settings_.crl->shards, issuer);
  if (!there || (last && there->number <= last->number) || there->scope != place.scope) return std::nullopt;
  if (there->this_update > now) return std::nullopt;
  std::set<std::string> missing =
      serials_of(book.revocations(id, place.distribution_point(), leaves_before(last, now)));
  refuse_forgotten(place.file, *there, id, missing, book);
  for (const x509::RevokedCertificate& one : there->revoked) missing.erase(x509::serial_text(one.serial));
  if (!missing.empty()) return std::nullopt;
  const Bytes der = read_file(place.file, ca::kLargestCrl);
  const x509::TbsCertList list = x509::parse_crl(der).tbs;
  if (list.next_update && *list.next_update <= now) return std::nullopt;
  MadeCrl made{{there->number, list.this_update, list.next_update.value_or(Instant{}), hex(sha256(der)),
                place.distribution_point()},
               list.revoked.size(),
               place};
  try {
    book.crl_published(id, made.crl);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::conflict) throw;
    return std::nullopt;  // its number was never taken here: the next one says what is wrong
  }
  return made;
}

MadeCrl LocalProvider::put_crl(const std::string& shard, Duration limit) {
  const CrlPlace place = place_of(shard);
  if (place.put.empty() || !dependencies_.put) {
    throw Error{ErrorKind::invalid_input, fmt::format("provider {} puts its CRL nowhere (put)", settings_.name)};
  }
  const x509::Certificate issuer = certificate();
  expect_not_suspended(issuer.subject());
  const std::string id = issuer_id(issuer.subject());
  Revocations& book = dependencies_.revocations();
  expect_newest_at_url(place, issuer, book.last_crl(id, place.distribution_point()));
  // One process of this machine after the other, whatever the server makes of If-Match: none puts an older one later.
  const PublishingTurn putting(place.file.string() + ".put");
  // This one no longer: a server that takes its time must keep nobody from publishing the next one.
  auto turn = std::make_unique<PublishingTurn>(place.file);
  const auto last = book.last_crl(id, place.distribution_point());
  if (!last || last->sha256 == kLostCrl) {
    throw Error{ErrorKind::conflict, fmt::format("no CRL of {} was published here that could be put at {}",
                                                 issuer.subject().to_string(), place.put)};
  }
  const Bytes der = read_file(place.file, ca::kLargestCrl);
  if (hex(sha256(der)) != last->sha256) {
    throw Error{ErrorKind::conflict, fmt::format("{} does not hold CRL number {}, which was published there: nothing "
                                                 "was put at {}",
                                                 place.file.string(), last->number, place.put)}
        .hint(fmt::format("hsmbridge ca crl {} --check", settings_.name));
  }
  turn.reset();
  // What somebody else published may revoke what nobody here knows of.
  const auto expect_own = [&](ByteView there) {
    const auto other = [&](const std::string& what) {
      throw Error{ErrorKind::conflict, fmt::format("{} holds {}: it was not replaced", place.put, what)}.hint(
          "where another program publishes there, stop it; where it is the CA's, tell this store what the CA did: "
          "hsmbridge ca resume");
    };
    std::uint64_t number = 0;
    try {
      number = ca::crl_number_of(there, issuer);
    } catch (const Error& error) {
      other(fmt::format("something that is not a CRL of {} ({})", issuer.subject().to_string(), error.message()));
    }
    auto known = book.published_crl(id, number);
    if (known && known->sha256 == kLostCrl) known.reset();  // its number alone was taken over
    if (!known && number < last->number) {
      // Of a store that was lost, or of the program before, from before the last one that this store was told of: where
      // nothing that it revokes is forgotten.
      const x509::TbsCertList list = x509::parse_crl(there).tbs;
      if (ca::distribution_point_of(list) != place.distribution_point()) other("a CRL of another place");
      const CrlThere old{number, list.this_update, list.revoked, scope_of(list)};
      refuse_forgotten(place.put, old, id, serials_of(book.revocations(id, place.distribution_point(), {})), book);
      return;
    }
    if (!known || known->sha256 != hex(sha256(there))) {
      other(fmt::format("a CRL with the number {} that this store did not publish", number));
    }
    if (known->distribution_point != place.distribution_point()) {
      other(known->distribution_point.empty() ? "the complete CRL" : "the CRL of " + known->distribution_point);
    }
    if (number > last->number) {
      throw Error{ErrorKind::unavailable, fmt::format("CRL number {} was put at {} by another process while this one "
                                                      "was about to put number {}",
                                                      number, place.put, last->number)};
    }
  };
  dependencies_.put->put(place.put, der, expect_own, limit);
  book.crl_put(id, place.put, last->number);
  return {*last, x509::parse_crl(der).tbs.revoked.size(), place};
}

// ---- CRLs that a service signs, in its own time ---------------------------------------------------------------------

ProviderDraft LocalProvider::draft_crl(const Order& order, Instant now) {
  if (!settings_.crl || !dependencies_.service) {
    throw Error{ErrorKind::refused,
                fmt::format("provider {} has no CRL that a service signs (crl, and key: {{provider: "
                            "…}}), which request {} is for",
                            settings_.name, order.id.str())};
  }
  const CrlPlace place = crl_places().front();  // the complete one: there are no shards
  expect_folder_takes_files(place.file);
  const x509::Certificate issuer = certificate();
  expect_newest(place, issuer, dependencies_.revocations().last_crl(issuer_id(issuer.subject()), ""));
  const PublishingTurn turn(place.file);
  const x509::SignatureAlgorithm& algorithm = ca::issuing_algorithm(settings_.algorithm, issuer);
  expect_to_publish(place, issuer, now);
  const NextCrl next = next_crl(place, issuer, now, std::get<IssueCrl>(order.what).after_future);
  const ca::CrlFields& fields = next.fields;
  lint_next(next, now);
  ProviderDraft draft;
  draft.to_be_signed = next.to_be_signed;
  draft.algorithm = std::string(algorithm.name);
  draft.issuer = issuer.der;
  draft.provider_state = drafted_state(linted_by(ca::Artefact::crl), key_place(), draft.to_be_signed);
  draft.notes = {fmt::format("CRL {} of {} with {} revoked, valid until {}{}", fields.number,
                             issuer.subject().to_string(), fields.entries.size(), rfc3339(fields.next_update),
                             fields.only_authorities ? ", about CAs alone" : ""),
                 "signed by " + key_place()};
  if (next.after_future) {
    draft.notes.push_back(
        fmt::format("it follows one of {}, which was signed while the clock was ahead", rfc3339(*next.after_future)));
  }
  return draft;
}

// Another draft has another number: what waits is signed as it is, or never.
std::vector<std::string> LocalProvider::judge_crl(const ProviderCall& call) {
  const Draft& draft = call.draft;
  if (draft.to_be_signed.empty() || draft.issuer.empty()) {
    throw outdated_draft("the draft holds no TBSCertList or no issuer");
  }
  const x509::Certificate issuer = certificate();
  if (!equal(issuer.der, draft.issuer)) throw outdated_draft("the CA has another certificate now");
  expect_not_suspended(issuer.subject());
  const x509::TbsCertList list = x509::parse_tbs_cert_list(draft.to_be_signed);
  if (!list.next_update || *list.next_update <= call.now) throw outdated_draft("the CRL would have ended already");
  const auto last = dependencies_.revocations().last_crl(issuer_id(issuer.subject()), "");
  if (last && last->number >= ca::crl_number(list)) {
    throw outdated_draft(fmt::format("CRL number {} was published meanwhile", last->number));
  }
  if (settings_.crl && settings_.crl->scope != scope_of(list)) {
    throw outdated_draft(fmt::format("the CRL is about {}, and `scope` says {} now", spoken_scope(scope_of(list)),
                                     spoken_scope(settings_.crl->scope)));
  }
  if (!draft.provider_state.empty()) {  // drafts of earlier versions do not say
    if (std::string why = why_not_as_drafted(draft, linted_by(ca::Artefact::crl), key_place()); !why.empty())
      throw outdated_draft(std::move(why));
  }
  std::vector<std::string> reasons;
  for (const ca::LintFinding& finding : ca::lint_crl(draft.to_be_signed, call.now)) {
    reasons.push_back(ca::to_string(finding));
  }
  return reasons;
}

MadeCrl LocalProvider::publish_signed(const ProviderCall& call, const IssuedResult& signature) {
  if (!settings_.crl) {
    throw Error{ErrorKind::unavailable,
                fmt::format("provider {} does not say any more where its CRL goes (crl)", settings_.name)};
  }
  const auto* const octets = std::get_if<IssuedSignature>(&signature.product);
  if (octets == nullptr || octets->octets.empty()) {
    throw Error{ErrorKind::corrupt, "what came back holds no signature that can be read; what came is kept"};
  }
  CrlPlace place = crl_places().front();
  const std::filesystem::path& file = place.file;
  const x509::Certificate issuer = x509::parse_certificate(call.draft.issuer);
  const Bytes der = ca::assembled_crl(call.draft.to_be_signed, issuer, x509::signature_algorithm(call.draft.algorithm),
                                      octets->octets);
  const x509::TbsCertList list = x509::parse_crl(der).tbs;
  place.scope = scope_of(list);  // as it was signed, whatever the configuration says by now
  const MadeCrl made{{ca::crl_number(list), list.this_update, list.next_update.value_or(Instant{}), hex(sha256(der))},
                     list.revoked.size(),
                     place};
  expect_not_suspended(issuer.subject());
  expect_folder_takes_files(file);
  Revocations& book = dependencies_.revocations();
  const std::string id = issuer_id(issuer.subject());
  expect_newest(place, issuer, book.last_crl(id, ""));
  const PublishingTurn turn(file);
  const auto last = book.last_crl(id, "");
  if (last && last->number == made.crl.number && last->sha256 == made.crl.sha256) return made;  // a process died here
  expect_scope_to_fit(place, issuer, dependencies_.revocations(), dependencies_.serials(), call.now);
  const auto there = crl_there(place, {}, issuer);
  const bool is_there = there && read_file(file, ca::kLargestCrl) == der;  // or before it was written down
  const std::uint64_t newest = std::max(last ? last->number : 0, there && !is_there ? there->number : 0);
  if (newest >= made.crl.number) {
    throw Error{ErrorKind::conflict, fmt::format("CRL number {} is signed, and number {} is out already: nothing was "
                                                 "replaced",
                                                 made.crl.number, newest)}
        .hint(fmt::format("abandon this request, and type: hsmbridge ca crl {}", settings_.name));
  }
  if (there && !is_there) {
    std::set<std::string> listed;
    for (const x509::RevokedCertificate& one : list.revoked) listed.insert(x509::serial_text(one.serial));
    refuse_forgotten(file, *there, id, listed, book);
  }
  if (!there && last && last->sha256 != kLostCrl) {
    throw Error{ErrorKind::conflict, fmt::format("{} is not there, and CRL number {} was published: CRL {} waits",
                                                 file.string(), last->number, made.crl.number)}
        .hint(fmt::format("put the last CRL (DER) back at {}: it has the SHA-256 {}", file.string(), last->sha256));
  }
  put_in_place(id, made, der);
  return made;
}

}  // namespace hsmbridge::local
