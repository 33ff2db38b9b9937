#include "pkcs11/keys/key_objects.h"

#include "base/unicode.h"
#include "pkcs11/keys/attribute_table.h"
#include "pkcs11/keys/contract_table.h"
#include "pkcs11/keys/public_key.h"
#include "pkcs11/token/module_state.h"
#include "pkcs11/token/uri_match.h"
#include "x509/asn1/unicode.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>

namespace hsmbridge::pkcs11 {
namespace {

// One object as read; `spki` where it shows a public key that this project has a row for, or certifies one.
struct Record {
  CK_OBJECT_HANDLE handle = 0;
  CK_OBJECT_CLASS object_class = 0;
  CK_KEY_TYPE key_type = 0;
  std::string label;
  Bytes id;
  Bytes params;  // CKA_EC_PARAMS
  Bytes spki;
  std::string type_text;
  bool always_authenticate = false;
  bool taken = false;
};

std::string unknown_type(CK_KEY_TYPE type) {
  switch (type) {
    case CKK_RSA:
      return "rsa (size or exponent not supported)";
    case CKK_EC:
      return "ec (curve not supported)";
    case CKK_EC_EDWARDS:
      return "edwards (curve not supported)";
    case CKK_DSA:
      return "dsa";
    case CKK_DH:
      return "dh";
    default:
      return fmt::format("key type 0x{:x}", type);
  }
}

// How the public key of a type is shown; nothing for a type without a row.
std::optional<x509::PublicKeyForm> form_of(CK_KEY_TYPE type) {
  for (const x509::KeyKind& kind : x509::key_kinds()) {
    if (kind.token_type == type) return kind.form;
  }
  return std::nullopt;
}

// What tells which key an object is, whether it may be used, and its public value: one call a key. CKA_VALUE is not
// among them: of a private key it is the key.
// CKA_CLASS, which every object has, comes last: it tells that the module went on to the end.
constexpr std::array<CK_ATTRIBUTE_TYPE, 10> kKeyAttributes{CKA_LABEL,
                                                           CKA_ID,
                                                           CKA_KEY_TYPE,
                                                           CKA_MODULUS,
                                                           CKA_PUBLIC_EXPONENT,
                                                           CKA_EC_PARAMS,
                                                           CKA_EC_POINT,
                                                           CKA_PUBLIC_KEY_INFO,
                                                           CKA_ALWAYS_AUTHENTICATE,
                                                           CKA_CLASS};

class Values {
 public:
  Values(const Session& session, CK_OBJECT_HANDLE handle) : values_(read_attributes(session, handle, kKeyAttributes)) {}
  // Empty where it is not shown.
  const Bytes& of(CK_ATTRIBUTE_TYPE type) const {
    static const Bytes nothing;
    const auto at = std::find(kKeyAttributes.begin(), kKeyAttributes.end(), type) - kKeyAttributes.begin();
    const auto& value = values_[static_cast<std::size_t>(at)];
    return value ? *value : nothing;
  }

 private:
  std::vector<std::optional<Bytes>> values_;
};

void take_public_value(const Values& values, Record& record) {
  try {
    const auto form = form_of(record.key_type);
    if (form == x509::PublicKeyForm::rsa) {
      const Bytes& modulus = values.of(CKA_MODULUS);
      const Bytes& exponent = values.of(CKA_PUBLIC_EXPONENT);
      if (!modulus.empty() && !exponent.empty()) record.spki = x509::spki_from_rsa(modulus, exponent);
    } else if (form) {
      record.params = values.of(CKA_EC_PARAMS);
      const auto curve = curve_of(record.params);
      const Bytes& point = values.of(CKA_EC_POINT);
      const Bytes bare = curve && !point.empty() ? bare_point(*curve, point) : Bytes{};
      if (!bare.empty()) record.spki = x509::spki_from(*curve, bare);
    }
    // PKCS#11 v2.40 §4.4: the DER SPKI, also on private keys; many tokens know the attribute and leave it empty.
    const Bytes& told = values.of(CKA_PUBLIC_KEY_INFO);
    if (record.spki.empty() && !told.empty()) record.spki = x509::canonical_spki(told);
    if (!record.spki.empty()) record.type_text = x509::to_string(x509::key_spec_of(record.spki));
  } catch (const Error&) {
    // A key of a size or curve without a row is listed, and cannot be used.
    record.spki.clear();
  }
}

std::optional<Record> read_record(const Session& session, CK_OBJECT_HANDLE handle) {
  const Values values(session, handle);
  const auto object_class = number_of(values.of(CKA_CLASS));
  if (!object_class) return std::nullopt;
  Record record;
  record.handle = handle;
  record.object_class = *object_class;
  record.label = to_text(values.of(CKA_LABEL));
  record.id = values.of(CKA_ID);
  if (record.object_class == CKO_CERTIFICATE) {
    const auto der = read_attribute(session, handle, CKA_VALUE);
    if (der) record.spki = spki_of_certificate(*der).value_or(Bytes{});
    if (der && record.label.empty()) record.label = subject_of_certificate(*der);
    return record;
  }
  if (record.object_class != CKO_PRIVATE_KEY && record.object_class != CKO_PUBLIC_KEY) return std::nullopt;
  record.key_type = number_of(values.of(CKA_KEY_TYPE)).value_or(CKK_VENDOR_DEFINED);
  record.type_text = unknown_type(record.key_type);
  take_public_value(values, record);
  if (record.object_class == CKO_PRIVATE_KEY) {
    record.always_authenticate = flag_of(values.of(CKA_ALWAYS_AUTHENTICATE)).value_or(false);
  }
  return record;
}

bool could_be_halves(const Record& private_half, const Record& public_half) {
  if (private_half.key_type != public_half.key_type) return false;
  if (!private_half.spki.empty() && !public_half.spki.empty()) return private_half.spki == public_half.spki;
  return private_half.params.empty() || public_half.params.empty() ||
         curve_of(private_half.params) == curve_of(public_half.params);
}

// The records by CKA_ID: pairing 2,000 keys must not take 2,000 walks.
struct Records {
  std::vector<Record> all;
  std::map<Bytes, std::vector<Record*>> by_id;

  std::vector<Record*> with_id(const Bytes& id) const {
    const auto found = by_id.find(id);
    return id.empty() || found == by_id.end() ? std::vector<Record*>{} : found->second;
  }
};

struct Pairing {
  Record* public_half = nullptr;
  bool certain = true;
};

// By id where there is one; else, or where that finds nothing, by an equal public value; else by label.
Pairing find_public_half(const Record& half, Records& records) {
  std::vector<Record*> candidates;
  const auto consider = [&](Record& record, bool accepted) {
    if (accepted && record.object_class == CKO_PUBLIC_KEY && !record.taken && could_be_halves(half, record)) {
      candidates.push_back(&record);
    }
  };
  for (Record* record : records.with_id(half.id)) consider(*record, true);
  if (candidates.empty() && !half.spki.empty()) {
    for (Record& record : records.all) consider(record, record.spki == half.spki);
  }
  if (candidates.empty() && half.id.empty()) {
    for (Record& record : records.all) consider(record, record.id.empty() && record.label == half.label);
  }
  if (candidates.empty()) return {};
  if (candidates.size() == 1 || !half.spki.empty()) return {candidates.front(), true};
  std::vector<Record*> same_label;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(same_label),
               [&](const Record* record) { return record->label == half.label; });
  if (same_label.size() == 1) return {same_label.front(), true};
  return {nullptr, false};
}

std::string name_of(const KeyInfo& key) {
  const std::string& label = key.label;
  const Bytes& id = key.id;
  const bool as_it_is = !label.empty() && !x509::has_control(label) && label.front() != ' ' && label.back() != ' ' &&
                        !label.starts_with("id=") && !label.starts_with("pkcs11:");
  if (as_it_is) return label;
  if (label.empty()) return id.empty() ? key.uri : "id=" + hex(id);
  UriParts parts;
  parts.object = label;
  return format_uri(parts);
}

std::string key_uri(const TokenState& token, const KeyInfo& key) {
  UriParts parts = token.uri_parts();
  parts.id = key.id;
  parts.object = key.label;
  // A half alone may stand beside a pair of the same id and label.
  if (!key.has_public) parts.type = "private";
  if (!key.has_private) parts.type = "public";
  std::string uri = format_uri(parts);
  // Stated as empty, or it would match every id or label.
  const auto state_empty = [&uri](std::string_view name) {
    uri += fmt::format("{}{}=", uri.back() == ':' ? "" : ";", name);
  };
  if (key.id.empty()) state_empty("id");
  if (key.label.empty()) state_empty("object");
  return uri;
}

// The public key is known now: what follows from it.
void settle(KeyInfo& key) {
  key.spec = x509::key_spec_of(key.spki);
  key.type = x509::to_string(*key.spec);
  key.spki_hash = x509::spki_hash(key.spki);
}

void settle(KeyObjects& key) {
  settle(key.info);
  for (const auto& [handle, spki] : key.beside) {
    if (spki == key.info.spki) key.certificates.push_back(handle);
  }
  key.info.has_certificate = !key.certificates.empty();
}

// Whether the private half may belong to what the certificate certifies, as far as the two show it.
bool could_be_of(const Record& certificate, const Record& private_half) {
  try {
    const x509::KeySpec spec = x509::key_spec_of(certificate.spki);
    if (private_half.key_type != x509::key_kind(spec).token_type) return false;
    return private_half.params.empty() || curve_of(private_half.params) == spec;
  } catch (const Error&) {
    return false;  // a kind without a row: the key could not be used
  }
}

KeyObjects make_key_objects(const Session& session, const Record* private_half, const Record* public_half, bool certain,
                            const Records& records) {
  const Record& first = private_half != nullptr ? *private_half : *public_half;
  KeyObjects key;
  key.info.label = first.label;
  key.info.id = first.id;
  key.info.type = first.type_text;
  key.info.paired = certain;
  key.info.spki = first.spki;
  if (private_half != nullptr) {
    key.private_half = private_half->handle;
    key.info.has_private = true;
    key.info.always_authenticate = private_half->always_authenticate;
  }
  if (public_half != nullptr) {
    key.public_half = public_half->handle;
    key.info.has_public = true;
    if (key.info.spki.empty()) {
      key.info.spki = public_half->spki;
      key.info.type = public_half->type_text;
    }
  }
  for (const Record* record : records.with_id(first.id)) {
    if (record->object_class != CKO_CERTIFICATE || record->spki.empty()) continue;
    key.beside.emplace_back(record->handle, record->spki);
    // A token that keeps no public object: only the certificates say what the public key may be.
    if (!key.info.spki.empty() || !certain || private_half == nullptr || !could_be_of(*record, *private_half)) continue;
    const bool known = std::any_of(key.info.claims.begin(), key.info.claims.end(),
                                   [&](const KeyInfo::Claim& claim) { return claim.spki == record->spki; });
    if (!known) key.info.claims.push_back({.spki = record->spki, .certificate = record->label});
  }
  if (!key.info.spki.empty()) {
    try {
      settle(key);
    } catch (const Error&) {
      key.info.spki.clear();
      key.info.spec.reset();
    }
  }
  key.info.uri = key_uri(session.token(), key.info);
  key.info.name = name_of(key.info);
  return key;
}

Template on_token() {
  Template match;
  match.flag(CKA_TOKEN, CK_TRUE);
  return match;
}

bool holds(const std::vector<CK_OBJECT_HANDLE>& handles, const std::optional<CK_OBJECT_HANDLE>& handle) {
  return handle && std::find(handles.begin(), handles.end(), *handle) != handles.end();
}

void refuse_other_token(const Session& session, const KeySelector& selector) {
  if (selector.uri().empty()) return;
  TokenState& token = session.token();
  const ModuleState& module = token.module->state();
  const CK_SLOT_ID slot = token.current_slot();
  const SlotContents contents = slot_contents(module, slot);
  if (!uri_matches_token(selector.uri(), module_info_of(module), contents.slot, slot, contents.token)) {
    throw Error{ErrorKind::not_found, fmt::format("{} names another token than {}", selector.uri(), token.access.name)}
        .with("token", token.uri)
        .hint("give the name of the token that it is on");
  }
}

bool claims(const KeyInfo& key, const Bytes& spki) {
  return std::any_of(key.claims.begin(), key.claims.end(),
                     [&](const KeyInfo::Claim& claim) { return claim.spki == spki; });
}

// A key is named by what is shown of it (the label and id of its private half where there is one). Only where no key is
// shown so does the label or id of its other half name it.
bool is_shown_as(const KeySelector& selector, const KeyInfo& key) {
  return (!selector.has_id() || key.id == selector.id()) && (!selector.has_label() || key.label == selector.label());
}

bool is_of_class(const KeyObjects& key, std::optional<CK_OBJECT_CLASS> wanted) {
  if (!wanted) return true;
  if (*wanted == CKO_PRIVATE_KEY) return key.private_half.has_value();
  return *wanted == CKO_PUBLIC_KEY && key.public_half.has_value();
}

}  // namespace

void take_claim(KeyInfo& key, const Bytes& spki) {
  key.spki = spki;
  settle(key);
  key.has_certificate = true;
  std::erase_if(key.claims, [&](const KeyInfo::Claim& claim) { return claim.spki == spki; });
}

namespace {

// Under the login that the session had when it was taken: all of its handles are of that one.
void remember(const Session& session, const KeyObjects& key) {
  constexpr std::size_t kMost = 10'000;
  TokenState& token = session.token();
  const unsigned long epoch = session.epoch();
  if (!key.private_half || key.info.spki.empty() || !key.info.paired || epoch != token.epoch) return;
  const std::lock_guard lock(token.found_mutex);
  // One makes room, not all: those that were just read are about to be used.
  if (token.found.size() >= kMost) token.found.erase(token.found.begin());
  token.found.insert_or_assign(
      {key.info.id, key.info.label, key.info.spki},
      TokenState::FoundKey{*key.private_half, key.public_half, epoch, std::make_shared<KeyInfo>(key.info)});
}

// One that was destroyed since the search is passed over, and so is what is no key and no certificate.
std::vector<Record> read_records(const Session& session, std::span<const CK_OBJECT_HANDLE> handles) {
  std::vector<Record> records;
  for (const CK_OBJECT_HANDLE handle : handles) {
    try {
      if (auto record = read_record(session, handle)) records.push_back(std::move(*record));
    } catch (const TokenFailure& failure) {
      if (!is_gone(session, failure)) throw;
    }
  }
  return records;
}

std::vector<KeyObjects> pair_records(const Session& session, std::vector<Record> read) {
  Records records{std::move(read), {}};
  for (Record& record : records.all) records.by_id[record.id].push_back(&record);

  // Those that show their public value choose first, so that an uncertain one does not take a half that is another's.
  std::map<const Record*, Pairing> pairings;
  for (const bool shows_value : {true, false}) {
    for (const Record& record : records.all) {
      if (record.object_class != CKO_PRIVATE_KEY || record.spki.empty() == shows_value) continue;
      const Pairing pairing = find_public_half(record, records);
      if (pairing.public_half != nullptr) pairing.public_half->taken = true;
      pairings.emplace(&record, pairing);
    }
  }
  std::vector<KeyObjects> keys;
  for (const Record& record : records.all) {
    if (record.object_class == CKO_PRIVATE_KEY) {
      const Pairing& pairing = pairings.at(&record);
      keys.push_back(make_key_objects(session, &record, pairing.public_half, pairing.certain, records));
      remember(session, keys.back());
    } else if (record.object_class == CKO_PUBLIC_KEY && !record.taken) {
      keys.push_back(make_key_objects(session, nullptr, &record, true, records));
    }
  }
  return keys;
}

}  // namespace

std::vector<KeyObjects> pair_objects(const Session& session, std::span<const CK_OBJECT_HANDLE> handles) {
  return pair_records(session, read_records(session, handles));
}

namespace {

void add_all(const Session& session, CK_OBJECT_CLASS object_class, std::vector<CK_OBJECT_HANDLE>& handles) {
  Template match = on_token();
  match.number(CKA_CLASS, object_class);
  const auto found = find_objects(session, std::move(match));
  handles.insert(handles.end(), found.begin(), found.end());
}

}  // namespace

std::vector<KeyObjects> all_keys(const Session& session) {
  // Three searches, not one for everything: a token may hold many data objects.
  std::vector<CK_OBJECT_HANDLE> handles;
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_CERTIFICATE}) {
    add_all(session, object_class, handles);
  }
  return pair_objects(session, handles);
}

std::vector<std::optional<KeyInfo>> keys_of_many(const Session& session, std::span<const KeySelector> selectors) {
  std::vector<std::optional<KeyInfo>> found(selectors.size());
  std::vector<CK_OBJECT_HANDLE> handles;
  add_all(session, CKO_PRIVATE_KEY, handles);
  if (handles.size() > selectors.size() * 3) return found;
  add_all(session, CKO_PUBLIC_KEY, handles);
  std::vector<Record> records = read_records(session, handles);
  // The objects that a search for one selector would give, by label and by id.
  std::multimap<std::string, CK_OBJECT_HANDLE> with_label;
  std::multimap<Bytes, CK_OBJECT_HANDLE> with_id;
  for (const Record& record : records) {
    with_label.emplace(record.label, record.handle);
    with_id.emplace(record.id, record.handle);
  }
  const auto keys = pair_records(session, std::move(records));
  std::map<CK_OBJECT_HANDLE, const KeyObjects*> of_half;
  for (const KeyObjects& key : keys) {
    if (key.private_half) of_half.emplace(*key.private_half, &key);
    if (key.public_half) of_half.emplace(*key.public_half, &key);
  }
  for (std::size_t i = 0; i < selectors.size(); ++i) {
    const KeySelector& selector = selectors[i];
    // One of the two, and not a URI.
    if (!selector.uri().empty() || selector.id().empty() == selector.label().empty()) continue;
    std::set<const KeyObjects*> matches;
    const auto match = [&](const auto& range) {
      for (auto at = range.first; at != range.second; ++at) {
        // A module that does not search by class may show certificates among them.
        if (const auto half = of_half.find(at->second); half != of_half.end()) matches.insert(half->second);
      }
    };
    if (selector.id().empty()) {
      match(with_label.equal_range(selector.label()));
    } else {
      match(with_id.equal_range(selector.id()));
    }
    const auto shown_so = [&](const KeyObjects* key) { return is_shown_as(selector, key->info); };
    if (std::any_of(matches.begin(), matches.end(), shown_so)) std::erase_if(matches, std::not_fn(shown_so));
    if (matches.size() == 1 && !(*matches.begin())->info.spki.empty()) found[i] = (*matches.begin())->info;
  }
  return found;
}

std::vector<KeyObjects> keys_with_id(const Session& session, ByteView id) {
  Template match = on_token();
  match.add(CKA_ID, Bytes(id.begin(), id.end()));
  return pair_objects(session, find_objects(session, std::move(match)));
}

std::vector<KeyObjects> matching_keys(const Session& session, const KeySelector& selector) {
  refuse_other_token(session, selector);
  const auto object_class = uri_object_class(selector.uri());
  // An id or label that is stated as empty is nothing to search for: not every token shows an empty attribute.
  if (selector.id().empty() && selector.label().empty()) {
    auto keys = all_keys(session);
    std::erase_if(keys, [&](const KeyObjects& key) {
      return !is_of_class(key, object_class) || !is_shown_as(selector, key.info);
    });
    return keys;
  }
  Template match = on_token();
  if (!selector.id().empty()) match.add(CKA_ID, selector.id());
  if (!selector.label().empty()) match.text(CKA_LABEL, selector.label());
  const std::vector<CK_OBJECT_HANDLE> matched = find_objects(session, std::move(match));

  // The other half may carry another label, so everything with one of the ids found is read too.
  std::vector<Record> records = read_records(session, matched);
  std::set<CK_OBJECT_HANDLE> read(matched.begin(), matched.end());
  std::set<Bytes> ids;
  for (const Record& record : records) {
    // A search by the id alone found everything that has it.
    if (!record.id.empty() && !(selector.label().empty() && record.id == selector.id())) ids.insert(record.id);
  }
  for (const Bytes& id : ids) {
    Template same_id = on_token();
    same_id.add(CKA_ID, id);
    auto found = find_objects(session, std::move(same_id));
    std::erase_if(found, [&](CK_OBJECT_HANDLE handle) { return !read.insert(handle).second; });
    for (Record& record : read_records(session, found)) records.push_back(std::move(record));
  }
  // In the token's order.
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.handle < b.handle; });
  auto keys = pair_records(session, std::move(records));
  std::erase_if(keys, [&](const KeyObjects& key) {
    return !is_of_class(key, object_class) || (!holds(matched, key.private_half) && !holds(matched, key.public_half));
  });
  const auto shown_so = [&](const KeyObjects& key) { return is_shown_as(selector, key.info); };
  if (std::any_of(keys.begin(), keys.end(), shown_so)) std::erase_if(keys, std::not_fn(shown_so));
  return keys;
}

KeyObjects locate(const Session& session, const KeyInfo& info) {
  auto keys =
      info.id.empty() ? matching_keys(session, KeySelector::by_label(info.label)) : keys_with_id(session, info.id);
  bool another = false;
  for (KeyObjects& key : keys) {
    if (key.info.label != info.label) continue;
    if (key.info.spki == info.spki) return std::move(key);
    if (claims(key.info, info.spki)) {
      key.info.claims.clear();
      key.info.spki = info.spki;
      settle(key);
      return std::move(key);
    }
    another = true;
  }
  if (another) {
    throw Error{ErrorKind::conflict, fmt::format("key {} is another key now: its public key changed", info.name)}
        .with("id", hex(info.id))
        .with("expected_spki", info.spki_hash.str());
  }
  throw Error{ErrorKind::not_found,
              fmt::format("key {} is not on token {} any more", info.name, session.token().access.name)}
      .with("id", hex(info.id));
}

std::optional<KeyInfo> remembered_key(TokenState& token, const KeySelector& selector, const SpkiHash& spki) {
  const Bytes& wanted = selector.id();
  if (wanted.empty() || selector.has_label() || !selector.uri().empty()) return std::nullopt;
  std::optional<KeyInfo> key;
  const std::lock_guard lock(token.found_mutex);
  for (auto at = token.found.lower_bound({wanted, {}, {}}); at != token.found.end() && std::get<0>(at->first) == wanted;
       ++at) {
    const TokenState::FoundKey& found = at->second;
    if (found.epoch != token.epoch || !(found.info->spki_hash == spki)) continue;
    if (key) return std::nullopt;
    key = *found.info;
  }
  return key;
}

bool still_shows_public_key(const Session& session, const KeyInfo& info) {
  TokenState& token = session.token();
  std::optional<CK_OBJECT_HANDLE> half;
  {
    const std::lock_guard lock(token.found_mutex);
    const auto found = token.found.find({info.id, info.label, info.spki});
    if (found != token.found.end() && found->second.epoch == token.epoch) half = found->second.public_half;
  }
  if (!half) return false;
  const auto records = read_records(session, {&*half, 1});
  return records.size() == 1 && records.front().object_class == CKO_PUBLIC_KEY && records.front().id == info.id &&
         records.front().spki == info.spki;
}

PrivateHalf locate_private_half(const Session& session, const KeyInfo& info, Look look) {
  TokenState& token = session.token();
  std::optional<CK_OBJECT_HANDLE> known;
  {
    const std::lock_guard lock(token.found_mutex);
    const auto found = token.found.find({info.id, info.label, info.spki});
    if (look == Look::remembered && found != token.found.end() && found->second.epoch == token.epoch)
      known = found->second.private_half;
  }
  if (known) {
    try {
      if (auto standing = standing_if_still(session, *known, info)) return {*known, std::move(*standing)};
    } catch (const TokenFailure& failure) {
      if (failure.code() != CKR_OBJECT_HANDLE_INVALID) throw;
    }
  }
  const KeyObjects found = locate(session, info);
  if (!found.private_half) {
    session.expect_login();
    throw Error{ErrorKind::not_found,
                fmt::format("the private half of key {} is not on token {} any more", info.name, token.access.name)};
  }
  return {*found.private_half, standing_of_key(session, *found.private_half)};
}

std::string candidate_text(const KeyInfo& key) {
  std::string text = fmt::format("id={} label={} {}", key.id.empty() ? "(none)" : hex(key.id),
                                 key.label.empty() ? "(none)" : printable(key.label), key.type);
  if (!key.has_private) text += " (public half only)";
  if (!key.has_public) text += " (private half only)";
  // A label that does not read as it is must be typed in another way.
  if (!key.label.empty() && key.name != key.label) text += ' ' + key.uri;
  return text;
}

}  // namespace hsmbridge::pkcs11
