#include "x509/pem.h"

#include "base/error.h"
#include "x509/certificate.h"
#include "x509/der.h"

#include <optional>

namespace hsmbridge::x509 {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";

[[noreturn]] void refuse(const std::string& why) {
  throw Error{ErrorKind::invalid_input, why};
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// The next line without its end; `rest` moves on. LF, CRLF and a lone CR end a line.
std::string_view next_line(std::string_view& rest) {
  const std::size_t end = rest.find_first_of("\r\n");
  const std::string_view line = rest.substr(0, end);
  if (end == std::string_view::npos) {
    rest = {};
  } else {
    rest.remove_prefix(end + (rest.substr(end, 2) == "\r\n" ? 2 : 1));
  }
  return line;
}

// "CERTIFICATE" from "-----BEGIN CERTIFICATE-----".
std::optional<std::string_view> label_of(std::string_view line, std::string_view prefix) {
  line = trimmed(line);
  if (line.size() < prefix.size() + kDashes.size() || line.substr(0, prefix.size()) != prefix) return std::nullopt;
  line.remove_prefix(prefix.size());
  if (line.substr(line.size() - kDashes.size()) != kDashes) return std::nullopt;
  return line.substr(0, line.size() - kDashes.size());
}

bool ends_in(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::string shown(std::string_view label) {
  std::string text;
  for (const char c : label.substr(0, 60)) text.push_back(c >= ' ' && c <= '~' ? c : '?');
  return text;
}

// Whether a file is PEM: some line begins with "-----BEGIN ". DER begins with 0x30, which is the digit 0 in ASCII, so
// the first octet alone does not tell.
bool looks_like_pem(std::string_view text) {
  return text.find(kBegin) != std::string_view::npos;
}

std::vector<Bytes> read_kind(ByteView file, std::string_view wanted, std::string_view other_name,
                             std::string_view spoken) {
  const std::string_view text = as_text(file);
  if (trimmed(text).empty()) refuse("the file is empty; " + std::string(spoken) + " was expected");
  // A DER file may hold the letters of a PEM header in a string: its own frame decides first.
  bool der_frame = false;
  if (file[0] == der::kSequence) {
    der::Reader reader(file);
    try {
      reader.any(spoken);
      der_frame = reader.at_end();
    } catch (const Error&) {
    }
  }
  if (der_frame) return {Bytes(file.begin(), file.end())};
  if (!looks_like_pem(text)) {
    refuse("neither PEM nor DER: " + std::string(spoken) + " was expected");
  }
  std::vector<Bytes> found;
  std::string others;
  for (PemBlock& block : read_pem(text)) {
    if (block.label == wanted || (!other_name.empty() && block.label == other_name)) {
      found.push_back(std::move(block.der));
    } else {
      others += (others.empty() ? "" : ", ") + shown(block.label);
    }
  }
  if (found.empty()) refuse(std::string(spoken) + " was expected, the file holds " + others);
  return found;
}

Bytes exactly_one(std::vector<Bytes> found, std::string_view spoken) {
  if (found.size() != 1) {
    refuse(std::string(spoken) + " was expected, the file holds " + std::to_string(found.size()));
  }
  return std::move(found.front());
}

}  // namespace

std::vector<PemBlock> read_pem(std::string_view text) {
  std::vector<PemBlock> blocks;
  while (!text.empty()) {
    const auto begin = label_of(next_line(text), kBegin);
    if (!begin) continue;
    const std::string label(*begin);
    if (ends_in(label, "PRIVATE KEY")) {
      throw Error{ErrorKind::invalid_input, "the text holds a private key (" + shown(label) + "), which is not read"}
          .hint("give a file that holds only certificates, requests or public keys");
    }
    std::string digits;
    std::optional<std::string_view> end;
    while (!end) {
      if (text.empty()) refuse("PEM block " + shown(label) + " has no END line");
      const std::string_view line = next_line(text);
      if (label_of(line, kBegin)) refuse("PEM block " + shown(label) + " has no END line");
      end = label_of(line, kEnd);
      if (end) break;
      if (line.find(':') != std::string_view::npos) {
        // RFC 7468 §2: encapsulated headers (RFC 1421) are not part of the format.
        refuse("PEM block " + shown(label) + " has header lines, which are not read");
      }
      for (const char c : line) {
        if (!is_blank(c)) digits.push_back(c);
      }
    }
    if (*end != label) refuse("PEM block " + shown(label) + " ends as " + shown(*end));
    Bytes der;
    try {
      der = from_base64(digits);
      der::only(der, "PEM block " + shown(label));
    } catch (Error& error) {
      throw error.prefix("PEM block " + shown(label));
    }
    blocks.push_back({label, std::move(der)});
  }
  if (blocks.empty()) refuse("no PEM block (-----BEGIN …-----) is there");
  return blocks;
}

std::string write_pem(std::string_view label, ByteView der) {
  std::string text = std::string(kBegin) + std::string(label) + std::string(kDashes) + "\n";
  const std::string digits = base64(der);
  for (std::size_t at = 0; at < digits.size(); at += 64) text += digits.substr(at, 64) + "\n";
  return text + std::string(kEnd) + std::string(label) + std::string(kDashes) + "\n";
}

std::vector<Bytes> read_certificates(ByteView file) {
  return read_kind(file, "CERTIFICATE", "", "a certificate");
}

Bytes read_certificate(ByteView file) {
  return exactly_one(read_certificates(file), "one certificate");
}

Bytes read_csr(ByteView file) {
  return exactly_one(read_kind(file, "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "a certificate request"),
                     "one certificate request");
}

Bytes read_public_key(ByteView file) {
  return exactly_one(read_kind(file, "PUBLIC KEY", "", "a public key"), "one public key");
}

Bytes read_key_of_person(ByteView file) {
  if (as_text(file).find("BEGIN CERTIFICATE") != std::string_view::npos)
    return parse_certificate(read_certificate(file)).spki();
  return read_public_key(file);
}

std::string certificate_to_pem(ByteView der) {
  return write_pem("CERTIFICATE", der);
}

std::string csr_to_pem(ByteView der) {
  return write_pem("CERTIFICATE REQUEST", der);
}

}  // namespace hsmbridge::x509
