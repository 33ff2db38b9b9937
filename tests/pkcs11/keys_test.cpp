#include "pkcs11/keys/keys.h"

#include "base/bytes.h"
#include "openssl_ca.h"
#include "pkcs11/keys/certificates.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/key_objects.h"
#include "pkcs11/keys/objects.h"
#include "pkcs11/keys/signer.h"
#include "pkcs11/workflow_token.h"
#include "private_token.h"
#include "x509/asn1/unicode.h"
#include "x509/objects/spki.h"
#include "x509/objects/verify.h"

#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

// Made by another program, with whatever attributes it likes.
void make_foreign(const PrivateToken& mine, const std::string& type, const std::string& id, const std::string& label) {
  const auto result = mine.tool({"--keypairgen", "--key-type", type, "--id", id, "--label", label});
  INFO(result.err);
  REQUIRE(result.status == 0);
}

// With any octets as label and id, which pkcs11-tool's arguments cannot carry.
void make_raw(Token& token, const Bytes& id, const std::string& label) {
  writing(token.state(), [&](Session& session) {
    Template private_half;
    private_half.flag(CKA_TOKEN, CK_TRUE).flag(CKA_PRIVATE, CK_TRUE).flag(CKA_SIGN, CK_TRUE);
    Template public_half;
    public_half.flag(CKA_TOKEN, CK_TRUE).add(CKA_EC_PARAMS, from_hex("06082a8648ce3d030107"));
    for (Template* const half : {&private_half, &public_half}) {
      if (!id.empty()) half->add(CKA_ID, id);
      if (!label.empty()) half->text(CKA_LABEL, label);
    }
    CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
    CK_OBJECT_HANDLE handles[2]{};
    session.check(
        session.functions().C_GenerateKeyPair(session.handle(), &mechanism, public_half.data(), public_half.size(),
                                              private_half.data(), private_half.size(), &handles[0], &handles[1]),
        "C_GenerateKeyPair", "make a foreign key");
    return true;
  });
}

std::vector<std::string> lines_of(const std::vector<KeyInfo>& keys) {
  std::vector<std::string> lines;
  for (const KeyInfo& key : keys) {
    lines.push_back(hex(key.id) + " " + key.label + " " + key.type + (key.has_private ? " private" : "") +
                    (key.has_public ? " public" : ""));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

void check_signs(const std::shared_ptr<Token>& token, const std::string& selector) {
  INFO(selector);
  const auto key = open_key(token, KeySelector::parse(selector), any_flaw());
  const auto& algorithm = x509::default_algorithm(*key->info().spec);
  const Bytes message = to_bytes("message");
  CHECK(x509::verify(key->info().spki, algorithm, message, key->sign(message, algorithm)));
}

}  // namespace

TEST_CASE("on a token of mixed keys with one label twice every key is usable and the label is refused with both ids") {
  PrivateToken mine;
  make_foreign(mine, "rsa:2048", "01", "rsa");
  make_foreign(mine, "EC:prime256v1", "02", "twice");
  make_foreign(mine, "EC:edwards25519", "03", "ed");
  make_foreign(mine, "EC:secp384r1", "04", "twice");
  const auto token = mine.open();

  CHECK(lines_of(list_keys(*token)) ==
        std::vector<std::string>{"01 rsa rsa:2048 private public", "02 twice ec:P-256 private public",
                                 "03 ed ed25519 private public", "04 twice ec:P-384 private public"});
  for (const char* id : {"id=01", "id=02", "id=03", "id=04"}) check_signs(token, id);
  check_signs(token, "rsa");
  check_signs(token, "ed");
  check_signs(token, "pkcs11:token=" + mine.label + ";object=twice;id=%04");

  const Error error = error_of([&] { find_key(*token, KeySelector::parse("twice")); });
  CHECK(error.kind() == ErrorKind::ambiguous);
  CHECK(error.message() == "2 keys on token web match twice");
  auto candidates = details(error, "candidate");
  std::sort(candidates.begin(), candidates.end());
  CHECK(candidates == std::vector<std::string>{"id=02 label=twice ec:P-256", "id=04 label=twice ec:P-384"});
  CHECK(error.hint().find("id=0") != std::string::npos);
}

TEST_CASE("the public key that we read is the one that pkcs11-tool reads") {
  PrivateToken mine;
  make_foreign(mine, "EC:prime256v1", "0a", "k");
  const auto token = mine.open();
  const KeyInfo key = find_key(*token, KeySelector::parse("k"));
  const TempFolder folder;
  const std::string file = folder.path() / "public.der";
  REQUIRE(mine.tool({"--read-object", "--type", "pubkey", "--id", "0a", "--output-file", file}).status == 0);
  const auto pem = run_program({"openssl", "pkey", "-pubin", "-inform", "DER", "-in", file, "-pubout"});
  CHECK(pem.out == x509::spki_to_pem(key.spki));
}

TEST_CASE("a key that is not there is an error that shows what is") {
  PrivateToken mine;
  const auto token = mine.open();
  const Error empty = error_of([&] { find_key(*token, KeySelector::parse("web")); });
  CHECK(empty.kind() == ErrorKind::not_found);
  CHECK(empty.hint().find("key generate") != std::string::npos);
  make_foreign(mine, "EC:prime256v1", "0a", "wbe");
  const Error missing = error_of([&] { find_key(*token, KeySelector::parse("web")); });
  CHECK(missing.message() == "no key on token web matches web");
  CHECK(details(missing, "candidate") == std::vector<std::string>{"id=0a label=wbe ec:P-256"});
}

TEST_CASE("a URI that names another token does not match here") {
  PrivateToken mine;
  make_foreign(mine, "EC:prime256v1", "0a", "web");
  const auto token = mine.open();
  CHECK(error_of([&] { find_key(*token, KeySelector::parse("pkcs11:token=another;object=web")); }).kind() ==
        ErrorKind::not_found);
  CHECK(find_key(*token, KeySelector::parse("pkcs11:token=" + mine.label + ";object=web;type=private")).id ==
        Bytes{0x0a});
  CHECK(find_key(*token, KeySelector::parse(find_key(*token, KeySelector::parse("web")).uri)).id == Bytes{0x0a});
  // The only key of the token needs no further name.
  CHECK(find_key(*token, KeySelector::parse("pkcs11:token=" + mine.label)).id == Bytes{0x0a});
}

TEST_CASE("halves with different labels are one key by their id") {
  PrivateToken mine;
  make_foreign(mine, "EC:prime256v1", "0a", "private-name");
  REQUIRE(mine.tool({"--set-id", "0a", "--type", "pubkey", "--id", "0a", "--label", "private-name"}).status == 0);
  const TempFolder folder;
  const std::string file = folder.path() / "public.der";
  REQUIRE(mine.tool({"--read-object", "--type", "pubkey", "--id", "0a", "--output-file", file}).status == 0);
  REQUIRE(mine.tool({"--delete-object", "--type", "pubkey", "--id", "0a"}).status == 0);
  REQUIRE(mine.tool({"--write-object", file, "--type", "pubkey", "--id", "0a", "--label", "public-name"}).status == 0);
  const auto token = mine.open();
  CHECK(lines_of(list_keys(*token)) == std::vector<std::string>{"0a private-name ec:P-256 private public"});
  CHECK(find_key(*token, KeySelector::parse("public-name")).label == "private-name");
  check_signs(token, "private-name");
}

TEST_CASE("a private half without a public key anywhere is listed and cannot sign") {
  PrivateToken mine;
  make_foreign(mine, "EC:prime256v1", "0a", "lonely");
  REQUIRE(mine.tool({"--delete-object", "--type", "pubkey", "--id", "0a"}).status == 0);
  const auto token = mine.open();
  const KeyInfo key = find_key(*token, KeySelector::parse("lonely"));
  CHECK(key.has_private);
  CHECK_FALSE(key.has_public);
  CHECK(key.spki.empty());
  const Error error = error_of([&] { open_key(token, KeySelector::parse("lonely")); });
  CHECK(error.kind() == ErrorKind::invalid_input);
  CHECK(error.hint() == "put the public key or a certificate of the key next to it, with the same CKA_ID");
}

TEST_CASE("an RSA private half shows its public key itself") {
  PrivateToken mine;
  make_foreign(mine, "rsa:2048", "0a", "lonely");
  REQUIRE(mine.tool({"--delete-object", "--type", "pubkey", "--id", "0a"}).status == 0);
  const auto token = mine.open();
  check_signs(token, "lonely");
}

TEST_CASE("what is printed for a key selects exactly that key whatever its label and id hold") {
  PrivateToken mine;
  const auto token = mine.open();
  const std::vector<std::string> labels{"web",
                                        std::string("web\0", 4),
                                        "caf\xe9",
                                        "caf\xc3\xa9",
                                        "a\nb",
                                        "a\x1b[31mb",
                                        "id=0a01",
                                        "pkcs11:x",
                                        " web",
                                        "web ",
                                        "a;b&c?d/e%",
                                        "(no label)",
                                        "a\xe2\x80\xaetxt",
                                        "\xff\xfe"};
  std::uint8_t last = 0;
  for (const std::string& label : labels) make_raw(*token, {1, ++last}, label);
  Bytes padded(21, 0);
  padded[0] = 1;
  make_raw(*token, padded, "padded");
  make_raw(*token, {1}, "unpadded");
  make_raw(*token, {}, "without id");
  make_raw(*token, {1, 1}, "");  // of the id of another one
  make_raw(*token, {0, 0xff}, "");
  const auto keys = list_keys(*token);
  REQUIRE(keys.size() == labels.size() + 5);
  for (const KeyInfo& key : keys) {
    INFO(key.uri);
    CHECK(key.uri.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%:;=") ==
          std::string::npos);
    const auto by_uri = match_keys(*token, KeySelector::parse(key.uri));
    REQUIRE(by_uri.size() == 1);
    CHECK(by_uri.front().spki == key.spki);
    CHECK_FALSE(x509::has_control(key.name));
    // The labels above are all different; of the keys without one, the id may be another's too.
    const auto by_name = match_keys(*token, KeySelector::parse(key.name));
    const bool own_name = !key.label.empty() || key.id != Bytes{1, 1};
    if (own_name) REQUIRE(by_name.size() == 1);
    CHECK(std::any_of(by_name.begin(), by_name.end(), [&](const KeyInfo& one) { return one.spki == key.spki; }));
    CHECK_FALSE(x509::has_control(candidate_text(key)));
    open_key(token, KeySelector::parse(key.uri), any_flaw())->prove(random_bytes(32));
  }
}

TEST_CASE("two keys of one id are told apart by their labels") {
  PrivateToken mine;
  make_foreign(mine, "EC:prime256v1", "0a", "first");
  make_foreign(mine, "EC:prime256v1", "0a", "second");
  const auto token = mine.open();
  const KeyInfo first = find_key(*token, KeySelector::parse("first"));
  const KeyInfo second = find_key(*token, KeySelector::parse("second"));
  CHECK(first.spki != second.spki);
  check_signs(token, "first");
  check_signs(token, "second");
  const Error error = error_of([&] { find_key(*token, KeySelector::parse("id=0a")); });
  CHECK(error.kind() == ErrorKind::ambiguous);
  CHECK(error.hint().find("pkcs11:token=") != std::string::npos);
}

TEST_CASE("a pinned key is found among others of its id") {
  PrivateToken mine;
  make_foreign(mine, "EC:prime256v1", "0a", "first");
  make_foreign(mine, "EC:prime256v1", "0a", "second");
  const auto token = mine.open();
  const KeyInfo second = find_key(*token, KeySelector::parse("second"));
  const auto by_id = KeySelector::parse("id=0a");
  CHECK(find_pinned(*token, by_id, second.spki_hash).label == "second");
  CHECK(open_pinned_key(token, by_id, second.spki_hash, any_flaw())->info().label == "second");
  const Error other = error_of([&] { find_pinned(*token, by_id, SpkiHash("00")); });
  CHECK(other.kind() == ErrorKind::conflict);
  CHECK(details(other, "found_spki").size() == 2);
  CHECK(error_of([&] { find_pinned(*token, KeySelector::parse("id=0b"), second.spki_hash); }).kind() ==
        ErrorKind::not_found);

  // As a request does, which stores the id.
  WorkflowToken workflow_token(
      "web", [&] { return mine.open(); }, forget_use, std::chrono::seconds{30}, 1);
  workflow::Key key{second.uri, second.label, hex(second.id), second.spki_hash, false};
  key.flaws = any_flaw();  // as a person accepted them
  CHECK(workflow_token.signer(key, workflow::Purpose::csr)->subject_public_key_info() == second.spki);
  OpensslCa ca;
  workflow_token.put_certificate(key, ca.issue(second.spki, "second"), {});
  CHECK(find_key(*token, KeySelector::parse("second")).has_certificate);
  CHECK_FALSE(find_key(*token, KeySelector::parse("first")).has_certificate);
}

TEST_CASE("two public keys of one id and label leave the pairing open and the key unusable") {
  PrivateToken mine;
  make_foreign(mine, "EC:prime256v1", "0a", "same");
  make_foreign(mine, "EC:prime256v1", "0a", "same");
  const auto token = mine.open();
  for (const KeyInfo& key : list_keys(*token)) CHECK(key.has_private != key.has_public);
  CHECK(error_of([&] { open_key(token, KeySelector::parse("id=0a")); }).kind() == ErrorKind::ambiguous);
}

TEST_CASE("all attributes of a key are shown and none of its secrets") {
  PrivateToken mine;
  const auto token = mine.open();
  const auto made = make_key(*token, plan_key(*token, "web", {x509::KeyType::rsa, 2048}));
  const KeyAttributes attributes = key_attributes(*token, made.key);
  const auto value = [](const std::vector<Attribute>& half, std::string_view name) {
    for (const Attribute& attribute : half) {
      if (attribute.name == name) return attribute.value;
    }
    return std::string("absent");
  };
  CHECK(value(attributes.private_half, "CKA_CLASS") == "CKO_PRIVATE_KEY");
  CHECK(value(attributes.private_half, "CKA_KEY_TYPE") == "CKK_RSA");
  CHECK(value(attributes.private_half, "CKA_LABEL") == "web");
  CHECK(value(attributes.private_half, "CKA_ID") == hex(made.key.id));
  CHECK(value(attributes.private_half, "CKA_SENSITIVE") == "true");
  CHECK(value(attributes.private_half, "CKA_EXTRACTABLE") == "false");
  CHECK(value(attributes.private_half, "CKA_KEY_GEN_MECHANISM") == "CKM_RSA_PKCS_KEY_PAIR_GEN");
  CHECK(value(attributes.private_half, "CKA_PRIVATE_EXPONENT") == "absent");
  CHECK(value(attributes.private_half, "CKA_PRIME_1") == "absent");
  CHECK(value(attributes.public_half, "CKA_MODULUS_BITS") == "2048");
  CHECK(value(attributes.public_half, "CKA_PUBLIC_EXPONENT") == "010001");
}

TEST_CASE("a foreign key is measured against the contract") {
  PrivateToken mine;
  make_foreign(mine, "EC:prime256v1", "0a", "foreign");
  const auto token = mine.open();
  const ContractReport report = check_contract(*token, find_key(*token, KeySelector::parse("foreign")));
  // SoftHSM gives TRUE to what pkcs11-tool leaves out.
  CHECK(report.violated());
  CHECK(report.violations().find("private CKA_DECRYPT: asked false, found true") != std::string::npos);
  CHECK(report.quirk.empty());
}

TEST_CASE("a destroyed key is gone for pkcs11-tool too and its neighbour of the same id stays") {
  PrivateToken mine;
  make_foreign(mine, "EC:prime256v1", "0a", "first");
  make_foreign(mine, "EC:prime256v1", "0a", "second");
  const auto token = mine.open();
  const KeyInfo first = find_key(*token, KeySelector::parse("first"));
  destroy_key(*token, first);
  CHECK(lines_of(list_keys(*token)) == std::vector<std::string>{"0a second ec:P-256 private public"});
  CHECK_NOTHROW(destroy_key(*token, first));
  check_signs(token, "second");
  const auto listed = mine.tool({"--list-objects"});
  CHECK(listed.out.find("first") == std::string::npos);
  CHECK(listed.out.find("second") != std::string::npos);
}

TEST_CASE("a key that was not made as the contract asks signs nothing unless each flaw is accepted by name") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", "0a", "--label", "foreign"}).status == 0);
  const auto token = mine.open();
  const KeySelector foreign = KeySelector::by_label("foreign");
  // pkcs11-tool leaves the usages out, which SoftHSM takes for TRUE.
  const std::vector<std::string> may = {"key-may-decrypt", "key-may-unwrap", "key-may-derive", "key-may-sign-recover"};
  const Error refused = error_of([&] { open_key(token, foreign); });
  CHECK(refused.kind() == ErrorKind::refused);
  CHECK(refused.message().starts_with("key foreign on token web is not used: it "));
  for (const std::string& flaw : may) {
    CHECK(refused.detail("flaws").find(flaw) != std::string_view::npos);
    CHECK(refused.hint().find(flaw) != std::string::npos);
  }
  const auto flaws = check_contract(*token, find_key(*token, foreign)).standing.flaws;
  for (std::size_t i = 0; i < flaws.size(); ++i) {
    auto all_but_one = flaws;
    all_but_one.erase(all_but_one.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK(error_of([&] { open_key(token, foreign, all_but_one); }).detail("flaws") == flaws[i]);
  }
  const auto key = open_key(token, foreign, flaws);
  CHECK(key->standing().flaws == flaws);
  CHECK_NOTHROW(key->prove(Bytes(16, 1)));
  // What changed since is seen after the next login.
  faults.show_flag(CKA_EXTRACTABLE, 1);
  faults.log_out();
  CHECK(error_of([&] { key->prove(Bytes(16, 1)); }).detail("flaws") == "key-extractable");
}

TEST_CASE("each attribute that says a key may leave its token or do more than sign is a flaw of its own") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", x509::parse_key_spec("ec:P-256"))).key;
  CHECK(open_key(token, key)->standing().flaws.empty());
  struct Row {
    unsigned long attribute;
    int bad;
    std::string flaw;
  };
  const std::vector<Row> rows = {
      {CKA_LOCAL, 0, "key-not-local"},
      {CKA_EXTRACTABLE, 1, "key-extractable"},
      {CKA_NEVER_EXTRACTABLE, 0, "key-was-extractable"},
      {CKA_SENSITIVE, 0, "key-not-sensitive"},
      {CKA_ALWAYS_SENSITIVE, 0, "key-was-not-sensitive"},
      {CKA_DECRYPT, 1, "key-may-decrypt"},
      {CKA_UNWRAP, 1, "key-may-unwrap"},
      {CKA_DERIVE, 1, "key-may-derive"},
      {CKA_SIGN_RECOVER, 1, "key-may-sign-recover"},
  };
  const int unknown = 2;
  for (const Row& row : rows) {
    INFO(row.flaw);
    faults.show_flag(row.attribute, row.bad);
    const Error error = error_of([&] { open_key(token, key); });
    CHECK(error.kind() == ErrorKind::refused);
    CHECK(error.detail("flaws") == row.flaw);
    CHECK_NOTHROW(open_key(token, key, {row.flaw}));
    // Not shown: whether it can leave the token must be known; a usage may have been taken without being shown.
    faults.show_flag(row.attribute, unknown);
    if (row.flaw.starts_with("key-may-")) {
      CHECK(open_key(token, key)->standing().not_shown.size() == 1);
    } else {
      CHECK(error_of([&] { open_key(token, key); }).detail("flaws") == "key-not-shown");
    }
    faults.show_flag(row.attribute, 1 - row.bad);
  }
}

namespace {

const x509::KeySpec kP256{x509::KeyType::ec, 256};

// By another program, behind our back.
void delete_key(const PrivateToken& mine, const Bytes& id) {
  for (const char* type : {"privkey", "pubkey"}) {
    REQUIRE(mine.tool({"--delete-object", "--type", type, "--id", hex(id)}).status == 0);
  }
}

}  // namespace

TEST_CASE("many keys are found at one look as they are one by one") {
  PrivateToken mine(Through::faulty_module);
  const auto token = mine.open();
  std::vector<std::string> labels{"rsa", "ed", "a", "b", "c"};
  make_key(*token, plan_key(*token, "rsa", {x509::KeyType::rsa, 2048}));
  make_key(*token, plan_key(*token, "ed", x509::parse_key_spec("ed25519")));
  make_keys(*token, plan_keys(*token, std::vector<std::string>{"a", "b", "c"}, kP256));
  // Two of one label, and the halves of one under two labels.
  for (const char* id : {"01", "02"}) {
    REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--label", "twice"}).status == 0);
  }
  std::vector<KeySelector> selectors;
  for (const auto& label : labels) selectors.push_back(KeySelector::by_label(label));
  for (const char* text : {"id=01", "twice", "nobody", "pkcs11:object=a"})
    selectors.push_back(KeySelector::parse(text));

  const auto found = find_keys(*token, selectors);
  REQUIRE(found.size() == selectors.size());
  for (std::size_t i = 0; i < labels.size() + 1; ++i) {
    INFO(selectors[i].text());
    REQUIRE(found[i]);
    const KeyInfo alone = find_key(*token, selectors[i]);
    CHECK(found[i]->uri == alone.uri);
    CHECK(found[i]->name == alone.name);
    CHECK(found[i]->spki == alone.spki);
    CHECK(found[i]->type == alone.type);
    CHECK(found[i]->has_private);
    CHECK(found[i]->has_public);
    CHECK(found[i]->paired);
  }
  for (std::size_t i = labels.size() + 1; i < found.size(); ++i) CHECK_FALSE(found[i]);

  // Pages, and a module that says little.
  Faults faults;
  faults.most_found(10);
  faults.stop_at_unknown(Faults::Rest::untouched);
  const auto again = find_keys(*token, selectors);
  for (std::size_t i = 0; i < labels.size() + 1; ++i) {
    REQUIRE(again[i]);
    CHECK(again[i]->spki == found[i]->spki);
  }
  // Two of seven keys are searched for instead.
  for (const auto& one : find_keys(*token, std::span(selectors).first(2))) CHECK_FALSE(one);
}

TEST_CASE("a pinned key that was seen before is looked at and not searched for") {
  Faults faults;
  PrivateToken mine(Through::faulty_module);
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", kP256)).key;
  const unsigned searches = faults.calls("C_FindObjectsInit");
  const unsigned reads = faults.calls("C_GetAttributeValue");
  open_pinned_key(token, KeySelector::by_id(key.id), key.spki_hash)->prove(random_bytes(16));
  CHECK(faults.calls("C_FindObjectsInit") == searches);
  CHECK(faults.calls("C_GetAttributeValue") == reads + 1);

  // Under a new login nothing is remembered.
  faults.log_out();
  CHECK_NOTHROW(open_pinned_key(token, KeySelector::by_id(key.id), key.spki_hash)->prove(random_bytes(16)));
  CHECK(faults.calls("C_FindObjectsInit") > searches);
  CHECK(error_of([&] { open_pinned_key(token, KeySelector::by_id(key.id), SpkiHash(std::string(64, '0'))); }).kind() ==
        ErrorKind::conflict);
}

TEST_CASE("a key that was deleted since it was seen signs nothing and gets no certificate") {
  PrivateToken mine;
  OpensslCa ca;
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", kP256)).key;
  const auto by_id = KeySelector::by_id(key.id);
  const Bytes certificate = ca.issue(key.spki, "web");
  delete_key(mine, key.id);
  CHECK(error_of([&] { open_pinned_key(token, by_id, key.spki_hash); }).kind() == ErrorKind::not_found);
  CHECK(error_of([&] { put_certificate(*token, by_id, key.spki_hash, certificate, {}); }).kind() ==
        ErrorKind::not_found);
  CHECK(list_certificates(*token).empty());

  SECTION("and neither does another one in its place") {
    REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", hex(key.id), "--label", "web"}).status ==
            0);
    CHECK(error_of([&] { open_pinned_key(token, by_id, key.spki_hash); }).kind() == ErrorKind::conflict);
    CHECK(error_of([&] { put_certificate(*token, by_id, key.spki_hash, certificate, {}); }).kind() ==
          ErrorKind::conflict);
    CHECK(list_certificates(*token).empty());
  }
  SECTION("and neither does another one that has its handle") {
    REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", hex(key.id), "--label", "web"}).status ==
            0);
    const KeyInfo other = find_key(*token, by_id);
    auto& found = token->state().found;
    found.at({key.id, key.label, key.spki}).private_half = found.at({other.id, other.label, other.spki}).private_half;
    CHECK(error_of([&] { put_certificate(*token, by_id, key.spki_hash, certificate, {}); }).kind() ==
          ErrorKind::conflict);
    CHECK(list_certificates(*token).empty());
  }
}

TEST_CASE("a certificate is put beside a pinned key that was seen before") {
  PrivateToken mine;
  OpensslCa ca;
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", kP256)).key;
  const Bytes certificate = ca.issue(key.spki, "web");
  put_certificate(*token, KeySelector::by_id(key.id), key.spki_hash, certificate, {});
  const auto there = certificates_of(*token, key);
  REQUIRE(there.size() == 1);
  CHECK(there[0].der == certificate);
  CHECK(there[0].label == "web");
}
