#include "pkcs11/keys/keys.h"

#include "pkcs11/keys/attribute_table.h"
#include "pkcs11/keys/key_objects.h"
#include "pkcs11/token/token.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

std::vector<KeyInfo> infos(std::vector<KeyObjects> keys) {
  std::vector<KeyInfo> infos;
  infos.reserve(keys.size());
  for (KeyObjects& key : keys) infos.push_back(std::move(key.info));
  return infos;
}

std::vector<Attribute> read_all(const Session& session, CK_OBJECT_HANDLE object) {
  std::vector<Attribute> attributes;
  for (const AttributeRow& row : attribute_table()) {
    const auto value = read_attribute(session, object, row.type);
    if (!value) continue;
    attributes.push_back(
        {.type = row.type, .name = std::string(row.name), .value = attribute_text(row, *value), .raw = *value});
  }
  return attributes;
}

std::string selector_hint(const std::vector<KeyInfo>& matches) {
  for (const KeyInfo& key : matches) {
    unsigned same_id = 0;
    for (const KeyInfo& other : matches) same_id += other.id == key.id ? 1U : 0U;
    if (!key.id.empty() && same_id == 1) return fmt::format("name one by its id, for example id={}", hex(key.id));
  }
  return fmt::format("name one by id and label together, for example {}", matches.front().uri);
}

Error ambiguous(const Token& token, const KeySelector& selector, const std::vector<KeyInfo>& matches) {
  Error error{ErrorKind::ambiguous,
              fmt::format("{} keys on token {} match {}", matches.size(), token.name(), selector.text())};
  for (const KeyInfo& key : matches) error.with("candidate", candidate_text(key));
  return std::move(error).with("token", token.state().uri).hint(selector_hint(matches));
}

Error no_match(Token& token, const KeySelector& selector) {
  Error error{ErrorKind::not_found, fmt::format("no key on token {} matches {}", token.name(), selector.text())};
  // Enough to see a mistyped name, not a dump of a large token.
  constexpr std::size_t kMostCandidates = 20;
  const std::vector<KeyInfo> all = list_keys(token);
  for (std::size_t i = 0; i < all.size() && i < kMostCandidates; ++i) error.with("candidate", candidate_text(all[i]));
  if (all.size() > kMostCandidates) error.with("candidates_left_out", std::to_string(all.size() - kMostCandidates));
  return std::move(error)
      .with("token", token.state().uri)
      .hint(all.empty() ? "the token holds no key yet: make one with hsmbridge key generate"
                        : "hsmbridge key list shows the keys of the token");
}

}  // namespace

std::vector<KeyInfo> list_keys(Token& token) {
  return reading(token.state(), [](Session& session) { return infos(all_keys(session)); });
}

std::vector<KeyInfo> match_keys(Token& token, const KeySelector& selector) {
  return reading(token.state(), [&](Session& session) { return infos(matching_keys(session, selector)); });
}

KeyInfo find_key(Token& token, const KeySelector& selector) {
  std::vector<KeyInfo> matches = match_keys(token, selector);
  if (matches.size() == 1) return std::move(matches.front());
  if (!matches.empty()) throw ambiguous(token, selector, matches);
  throw no_match(token, selector);
}

std::vector<std::optional<KeyInfo>> find_keys(Token& token, std::span<const KeySelector> selectors) {
  return reading(token.state(), [&](Session& session) { return keys_of_many(session, selectors); });
}

KeyInfo find_pinned(Token& token, const KeySelector& selector, const SpkiHash& expected) {
  std::vector<KeyInfo> matches = match_keys(token, selector);
  // The pinned hash chooses among claims: each signature is verified with the public key that was chosen.
  for (KeyInfo& key : matches) {
    const auto claim = std::find_if(key.claims.begin(), key.claims.end(),
                                    [&](const KeyInfo::Claim& one) { return x509::spki_hash(one.spki) == expected; });
    if (claim != key.claims.end()) take_claim(key, Bytes(claim->spki));
  }
  std::vector<KeyInfo> pinned;
  std::copy_if(matches.begin(), matches.end(), std::back_inserter(pinned),
               [&](const KeyInfo& key) { return key.spki_hash == expected; });
  if (pinned.size() == 1) return std::move(pinned.front());
  if (pinned.size() > 1) throw ambiguous(token, selector, pinned);
  // Not looked for once more: a key that came meanwhile would be given without a look at its hash.
  if (matches.empty()) throw no_match(token, selector);
  // A token that was restarted, or copies its objects, may show less for a while: that is no other key.
  const auto hidden = std::find_if(matches.begin(), matches.end(), [](const KeyInfo& key) { return key.spki.empty(); });
  if (hidden != matches.end()) {
    throw Error{ErrorKind::not_found,
                fmt::format("token {} shows no public key of {} now, so that nothing says whether "
                            "it is the one pinned",
                            token.name(), hidden->name)}
        .with("expected_spki", expected.str())
        .with("candidate", candidate_text(*hidden))
        .hint("put the public key or a certificate of it on the token, with the same CKA_ID");
  }
  Error error{ErrorKind::conflict,
              fmt::format("{} on token {} is another key than the one pinned", selector.text(), token.name())};
  error.with("expected_spki", expected.str());
  for (const KeyInfo& key : matches) error.with("found_spki", key.spki_hash.str());
  throw error.hint("somebody replaced the key: name the right one, or start a new request");
}

KeyAttributes key_attributes(Token& token, const KeyInfo& key) {
  return reading(token.state(), [&](Session& session) {
    const KeyObjects objects = locate(session, key);
    KeyAttributes attributes;
    if (objects.private_half) attributes.private_half = read_all(session, *objects.private_half);
    if (objects.public_half) attributes.public_half = read_all(session, *objects.public_half);
    return attributes;
  });
}

void destroy_key(Token& token, const KeyInfo& key, WithCertificates certificates) {
  writing(token.state(), [&](Session& session) {
    const auto still_there = [&]() -> std::optional<KeyObjects> {
      try {
        return locate(session, key);
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::not_found) return std::nullopt;
        throw;
      }
    };
    const auto destroy = [&](CK_OBJECT_HANDLE handle) {
      const CK_RV rv = session.functions().C_DestroyObject(session.handle(), handle);
      if (rv == CKR_OBJECT_HANDLE_INVALID && session.is_last_try()) return;
      session.check(rv, "C_DestroyObject", fmt::format("destroy key {}", key.name));
    };
    const auto objects = still_there();
    if (!objects) return true;
    // The private half first: whatever fails afterwards, the key can sign no more.
    if (objects->private_half) destroy(*objects->private_half);
    if (objects->public_half) destroy(*objects->public_half);
    if (certificates == WithCertificates::destroy) {
      for (const CK_OBJECT_HANDLE handle : objects->certificates) destroy(handle);
    }
    if (!still_there()) return true;
    throw Error{ErrorKind::corrupt,
                fmt::format("token {} says that key {} is destroyed, and still holds it", token.name(), key.name)};
  });
}

}  // namespace hsmbridge::pkcs11
