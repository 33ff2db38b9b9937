#include "providers/securosys/approval_bytes.h"

#include "base/error.h"
#include "base/file.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;

namespace {

// The vendor's published sample, 212 bytes.
Bytes published() {
  Bytes text = read_file(HSMBRIDGE_TEST_DATA "/securosys/approval_to_be_signed.b64");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return from_base64(as_text(text));
}

void put(Bytes& to, std::uint64_t value, unsigned octets) {
  for (unsigned i = 0; i < octets; ++i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}
Bytes element(std::uint16_t type, ByteView data) {
  Bytes result;
  put(result, type, 2);
  put(result, data.size(), 2);
  result.insert(result.end(), data.begin(), data.end());
  while (result.size() % 4 != 0) result.push_back(0);
  return result;
}
Bytes list(std::initializer_list<Bytes> elements) {
  Bytes content;
  for (const Bytes& one : elements) content.insert(content.end(), one.begin(), one.end());
  Bytes result;
  put(result, content.size(), 4);
  result.insert(result.end(), content.begin(), content.end());
  return result;
}
Bytes number(std::uint64_t value, unsigned octets) {
  Bytes result;
  put(result, value, octets);
  return result;
}
Bytes der_signature() {
  return from_hex(
      "300a"
      "3004"
      "06022a03"
      "03020001");
}
Bytes stamp(std::string_view payload, std::uint64_t at = 1707391005) {
  return list(
      {element(0x1057, as_bytes(payload)), element(0x0107, number(at, 8)), element(0x1002, as_bytes("timestamp-key"))});
}
Bytes built(std::string_view payload = "payload", std::uint32_t operation = 1) {
  return list({element(0x003B, number(operation, 4)), element(0x1002, as_bytes("ca-key")),
               element(0x1054, stamp(payload)), element(0x1056, der_signature()), element(0x1057, as_bytes(payload))});
}

std::string refusal_of(const Bytes& bytes) {
  try {
    parse_approval_to_be_signed(bytes);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::refused);
    return error.message();
  }
  return "";
}

}  // namespace

TEST_CASE("the published sample is read as its page explains it") {
  const Bytes bytes = published();
  REQUIRE(bytes.size() == 212);
  const ApprovalBytes approval = parse_approval_to_be_signed(bytes);
  CHECK(approval.whole == bytes);
  CHECK(approval.key_label == "Broker-Transaction-Key-01");
  CHECK(to_text(approval.payload) == "securosys");
  REQUIRE(approval.stamp);
  CHECK(approval.stamp->at == parse_rfc3339("2024-02-08T11:16:05Z"));
  CHECK(approval.stamp->clock_key == "timestamp-key");
  CHECK(approval.stamp->signature.size() == 0x5a);
}

TEST_CASE("an approval without a time stamp is read") {
  const ApprovalBytes approval = parse_approval_to_be_signed(
      list({element(0x003B, number(1, 4)), element(0x1002, as_bytes("k")), element(0x1057, as_bytes("xyz"))}));
  CHECK(approval.key_label == "k");
  CHECK(to_text(approval.payload) == "xyz");
  CHECK_FALSE(approval.stamp);
}

TEST_CASE("every prefix of the published sample is refused") {
  const Bytes bytes = published();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    CAPTURE(length);
    CHECK(refusal_of(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length))) != "");
  }
}

TEST_CASE("a byte behind the published sample is refused") {
  Bytes bytes = published();
  bytes.push_back(0);
  CHECK(refusal_of(bytes) != "");
  bytes = published();
  bytes.insert(bytes.end(), 4, 0);
  CHECK(refusal_of(bytes) != "");
}

TEST_CASE("no change of a structural byte of the published sample is let pass") {
  const Bytes good = published();
  // Bytes that carry free content. Everything else is structure, or one of two copies that must agree.
  const auto is_content = [](std::size_t at) {
    return (at >= 0x10 && at < 0x29) ||  // the key's label
           (at >= 0x48 && at < 0x4d) ||  // the time; its upper octets would be beyond the year 9999
           (at >= 0x54 && at < 0x61) ||  // the clock key's label
           (at >= 0x6e && at < 0x76) ||  // the OID of the signature's algorithm
           (at >= 0x7b && at < 0xc2);    // the signature's octets
  };
  for (std::size_t at = 0; at < good.size(); ++at) {
    if (is_content(at)) continue;
    for (const unsigned flip : {0x01U, 0x80U, 0xFFU}) {
      Bytes bytes = good;
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ flip);
      CAPTURE(at, flip);
      CHECK(refusal_of(bytes) != "");
    }
  }
}

TEST_CASE("a payload that differs from the stamped one is refused") {
  Bytes bytes = published();
  bytes[0xc8] = 'S';
  CHECK(refusal_of(bytes) == "approvalToBeSigned: the payload is not the one that the HSM stamped (at offset 0xc8)");
  bytes = published();
  bytes[0x38] = 'S';
  CHECK(refusal_of(bytes) == "approvalToBeSigned: the payload is not the one that the HSM stamped (at offset 0xc8)");
}

TEST_CASE("an operation other than signing is refused") {
  CHECK(refusal_of(built()) == "");
  CHECK(refusal_of(built("payload", 2)) ==
        "approvalToBeSigned: it asks for operation 2, not for a signature (1) (at offset 0x04)");
  CHECK(refusal_of(list(
            {element(0x003B, number(1, 4)), element(0x1002, as_bytes("k")), element(0x1058, as_bytes("policy"))})) ==
        "approvalToBeSigned: it asks to change the key's policy, not for a signature (at offset 0x14)");
}

TEST_CASE("elements in another order or missing are refused") {
  const Bytes operation = element(0x003B, number(1, 4));
  const Bytes label = element(0x1002, as_bytes("k"));
  const Bytes payload = element(0x1057, as_bytes("x"));
  const Bytes stamped = element(0x1054, stamp("x"));
  const Bytes signature = element(0x1056, der_signature());
  CHECK(refusal_of(list({operation, label, stamped, signature, payload})) == "");
  CHECK(refusal_of(list({label, operation, payload})) != "");
  CHECK(refusal_of(list({operation, payload})) != "");
  CHECK(refusal_of(list({operation, label})) == "approvalToBeSigned: the payload is missing (at offset 0x14)");
  CHECK(refusal_of(list({operation, label, stamped, payload})) != "");
  CHECK(refusal_of(list({operation, label, signature, payload})) != "");
  CHECK(refusal_of(list({operation, label, signature, stamped, payload})) != "");
  CHECK(refusal_of(list({operation, label, payload, payload})) != "");
  CHECK(refusal_of(list({operation, operation, label, payload})) != "");
  CHECK(refusal_of(list({operation, label, payload, stamped, signature})) != "");
}

TEST_CASE("an empty payload and a malformed inside are refused") {
  const Bytes operation = element(0x003B, number(1, 4));
  const Bytes label = element(0x1002, as_bytes("k"));
  CHECK(refusal_of(list({operation, label, element(0x1057, {})})) != "");
  CHECK(refusal_of(list({element(0x003B, number(1, 3)), label, element(0x1057, as_bytes("x"))})) != "");
  CHECK(refusal_of(list({element(0x003B, number(1, 8)), label, element(0x1057, as_bytes("x"))})) != "");
  // a label that drives the terminal, and one that is no UTF-8
  CHECK(refusal_of(list({operation, element(0x1002, as_bytes("k\x1b[2J")), element(0x1057, as_bytes("x"))})) != "");
  CHECK(refusal_of(list({operation, element(0x1002, as_bytes("k\xff")), element(0x1057, as_bytes("x"))})) != "");
  // a stamp whose inner list says another length
  Bytes inner = stamp("x");
  inner[0] = static_cast<std::uint8_t>(inner[0] + 4);
  CHECK(refusal_of(list({operation, label, element(0x1054, inner), element(0x1056, der_signature()),
                         element(0x1057, as_bytes("x"))})) != "");
  // a signature with a trailing byte inside its element
  Bytes signature = der_signature();
  signature.push_back(0);
  CHECK(refusal_of(list({operation, label, element(0x1054, stamp("x")), element(0x1056, signature),
                         element(0x1057, as_bytes("x"))})) != "");
  // a time beyond the year 9999
  CHECK(refusal_of(list({operation, label, element(0x1054, stamp("x", 253402300800U)), element(0x1056, der_signature()),
                         element(0x1057, as_bytes("x"))})) != "");
}

TEST_CASE("random bytes never do anything but be refused") {
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes = random_bytes(static_cast<std::size_t>(round % 97));
    if (bytes.size() >= 4) {
      bytes[0] = static_cast<std::uint8_t>(bytes.size() - 4);
      bytes[1] = bytes[2] = bytes[3] = 0;
    }
    CHECK(refusal_of(bytes) != "");
  }
}
