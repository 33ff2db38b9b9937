#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "config/document.h"
#include "config/secret_source.h"

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The configuration file as plain values (tools/hsmbridge/pages/configuration.md explains each key). Texts that belong to other layers
// (names, usages, key kinds) are passed on as written: the owner parses them, and `section.error(key, …)` says where a
// bad one stands.
namespace hsmbridge::config {

struct StoreSettings {
  std::optional<std::filesystem::path> path;  // no store: no requests, no log
  bool must_exist = false;                    // made by `store init` alone: its disk may not be mounted
  bool rehearsal = false;                     // nothing in it is real: approvals say so
};

struct TokenSettings {
  std::string name;
  std::filesystem::path module;
  std::string uri;                      // RFC 7512
  std::optional<SecretSource> pin;      // absent: no login is possible
  std::optional<SecretSource> key_pin;  // for CKA_ALWAYS_AUTHENTICATE keys whose PIN is another one
  unsigned long user_type = 1;          // CK_USER_TYPE: "user" is CKU_USER, "so" CKU_SO, a number a vendor's own
  bool stores_certificates = true;      // `certificates: false`: the token takes no CKO_CERTIFICATE
  unsigned sessions = 4;
  std::optional<Duration> session_wait;
  std::optional<Duration> login_wait;
  std::optional<Duration> deadline;  // a call of the token that takes longer marks it unavailable
  Section section;
};

// The key of a CA of this bridge that another provider keeps.
struct KeyAtProvider {
  std::string provider;  // of this file
  std::string key;       // what that provider calls it

  bool operator==(const KeyAtProvider&) const = default;
};

// What every provider has. The keys of its own are in `section`, read by the provider's own reader, which ends with
// section.finish().
struct ProviderSettings {
  std::string name;
  std::string type;
  unsigned concurrency = 4;                  // calls at once
  std::optional<unsigned> calls_per_minute;  // over all processes that share the store
  std::optional<Duration> time_limit;        // of one call
  std::optional<Duration> settle;            // how long a lost submission may still be under way
  Duration search_lag{};                     // of its type's own keys; zero where its search does not lag
  std::optional<Duration> poll_first;
  std::optional<Duration> poll_longest;
  std::optional<unsigned> most_attempts;
  std::optional<KeyAtProvider> key_at;    // of a CA whose key is there
  std::optional<std::string> keeps_keys;  // ProviderFacts::keeps_keys
  Section section;
};

// One group of an approval policy: `quorum` of the people named.
struct ApprovalGroup {
  std::string name;  // "" for none
  unsigned quorum = 1;
  std::vector<std::string> of;
};
// One way to have a request approved at this bridge: all groups must agree.
struct ApprovalAlternative {
  std::string name;  // "" for none
  Duration timelock{};
  Duration timeout{};  // zero: none
  std::vector<ApprovalGroup> groups;
};

// An entry of `files:`. The words of content and order are service/install.h's.
struct FileTargetSettings {
  std::filesystem::path path;
  std::string content = "full";
  std::string order = "leaf-first";
  std::optional<std::string> owner, group;
  std::optional<unsigned> mode;  // octal in the file: "0640"
};

// Where a certificate goes, in this order: `token: true` beside the key, `file: PATH` (or several), `files:` with more
// to say about each, `provider: import` into the provider's own store, `hook: [program, argument…]` at the end.
struct InstallSettings {
  bool token = false;
  bool keep_in_token = false;  // `on_renew: keep`: older certificates of the same key stay beside it
  std::vector<std::filesystem::path> files;
  std::vector<FileTargetSettings> more_files;
  std::optional<std::string> provider;
  std::vector<std::string> hook;  // empty: none
};

// How long before a certificate's end its renewal starts: a time, or a part of its life. At most two thirds of the
// life: else each renewal would be followed by the next one.
struct RenewBefore {
  Duration time{};       // 0 when it is a part
  unsigned percent = 0;  // 1 to 66; 0 when it is a time

  bool operator==(const RenewBefore&) const = default;
};

// Which key a renewal is for.
enum class RenewKey {
  make,        // a new one; the same one where a person asks for it
  same,        // the same one; a new one where a person asks for it
  always_make  // a new one, and never the same
};

// What a profile may let the CSR of somebody else decide; what it does not name is the profile's. Named as the keys of
// the profile.
enum class CopyField { subject, san, key, usage, extended_usage, policies, tls_features };

// What a certificate shall be. Texts are as x509 reads them.
struct ProfileSettings {
  std::string name;
  std::optional<std::string> provider;   // where --provider is not given
  std::optional<std::string> token;      // where --token is not given
  std::optional<std::string> key;        // "ec:P-256", "rsa:3072", "ed25519"
  std::optional<std::string> algorithm;  // signature algorithm, "rsa-pss-sha256"
  std::string subject;                   // text of x509::Name::parse, the mapping's order kept; "" for none
  std::vector<std::string> san;          // added to what the command names
  std::vector<std::string> usage;
  std::vector<std::string> extended_usage;
  std::optional<std::string> basic_constraints;
  std::vector<std::string> name_constraints;
  std::vector<std::string> policies;
  std::vector<std::string> tls_features;
  std::vector<std::string> extensions;
  std::vector<CopyField> copy;  // taken from a CSR that was brought
  std::optional<Duration> validity;
  std::optional<Duration> max_age;          // from draft to signature (workflow::Order::max_age)
  std::optional<Duration> deadline;         // from creation to the end of waiting
  std::optional<RenewBefore> renew_before;  // nothing: it is not renewed automatically
  RenewKey renew_key = RenewKey::make;
  std::optional<Duration> overlap;             // from an installed renewal to the retirement of the old key
  std::vector<std::string> accept;             // deviations by name
  std::vector<std::string> accept_key;         // of `accept`: names of key_flaws()
  std::vector<std::filesystem::path> anchors;  // PEM files: where the chain must end
  InstallSettings install;
  std::vector<ApprovalAlternative> approval;  // signed approvals wanted at this bridge: any of these; empty: none
  bool wants_command = false;  // `operator_command: true`: an operator's direct command before submission
  Section section;
};

struct PersonSettings {
  std::string name;
  std::optional<std::filesystem::path> public_key;  // PEM file: public key or certificate
  std::optional<std::string> spki;                  // base64 of the DER SubjectPublicKeyInfo, instead of a file
  std::vector<std::string> accounts;  // of the operating system: what they ask for, this person does not approve
  // Where this person's own key is, for one who approves with this program (`approval accept --as NAME`).
  std::optional<std::string> token;
  std::optional<std::string> key;       // its selector; together with token
  std::vector<std::string> accept_key;  // `accept`: names of key_flaws()
  std::optional<std::string> provider;  // where --provider is not given
  Section section;
};

// Thread rule: values; the sections in them are for one thread at a time.
struct Settings {
  std::filesystem::path file;  // "" when there is no configuration
  Bytes sha256;                // of its text, as it was read
  bool is_read_once = false;   // Document::is_read_once
  StoreSettings store;
  std::vector<TokenSettings> tokens;  // each list in the order of the file
  std::vector<ProviderSettings> providers;
  std::vector<ProfileSettings> profiles;
  std::vector<PersonSettings> people;
  std::vector<std::filesystem::path> weak_keys;  // lists of keys that get no certificate (x509/judge/weak_key_list.h)

  // By name; "" means the only one there is. Throws not_found with what is configured, ambiguous for "" among several.
  const TokenSettings& token(std::string_view name) const;
  const ProviderSettings& provider(std::string_view name) const;
  const ProfileSettings& profile(std::string_view name) const;
  const PersonSettings& person(std::string_view name) const;
};

// The name under `key`, as text of x509::Name::parse; "" for none. A text; or a mapping, one relative name an entry; or
// a list of mappings, where an attribute may repeat and a mapping of several entries is one multi-valued relative name.
std::string read_name(Section& section, std::string_view key);

// What the workflow must know of a provider's own keys.
struct ProviderFacts {
  Duration search_lag{};  // workflow::Timing::search_lag
  std::optional<KeyAtProvider> key_at = {};
  // Of a type that keeps keys of CAs: the one that it certifies with by itself, "" for none. Nothing: of any other type.
  std::optional<std::string> keeps_keys = {};
};
// Reads the own keys of one provider and ends with section.finish(). Called within the one pass over the file, so that
// its problems are reported together with all others; its exceptions become problems too.
using ProviderReader = std::function<ProviderFacts(const std::string& name, Section section)>;

// The file to read: `given` (--config), else $HSMBRIDGE_CONFIG, else ~/.config/hsmbridge/hsmbridge.yaml, else
// /etc/hsmbridge/hsmbridge.yaml. Nothing when neither is given and none exists. Throws not_found when the one that was
// named is not there.
std::optional<std::filesystem::path> find_file(const std::optional<std::filesystem::path>& given);

// Reads the whole file. `readers` by provider type: a type that is none of them is a problem; without readers every
// type passes and the sections wait for their owners. Throws invalid_input with every problem, or what Document::read
// throws.
Settings read_settings(const std::filesystem::path& file, const std::map<std::string, ProviderReader>& readers = {});
// The same from a text, for tests and for `--config -`.
Settings read_settings(Document document, const std::map<std::string, ProviderReader>& readers = {});

}  // namespace hsmbridge::config
