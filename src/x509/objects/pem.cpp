#include "x509/objects/pem.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/bounds.h"
#include "x509/asn1/der.h"
#include "x509/names/name.h"
#include "x509/objects/certificate.h"

#include <algorithm>

namespace hsmbridge::x509 {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";

[[noreturn]] void refuse_pem(const std::string& why) {
  throw Error{ErrorKind::invalid_input, why};
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// How many characters at the beginning of `text` end a line: LF, CRLF, a lone CR, and the two characters of an escape
// that nobody undid.
std::size_t line_end(std::string_view text) {
  if (text.substr(0, 2) == "\r\n") return 2;
  if (!text.empty() && (text.front() == '\r' || text.front() == '\n')) return 1;
  const std::string_view two = text.substr(0, 2);
  return two == "\\n" || two == "\\r" ? 2 : 0;
}

// How many characters at the beginning of `text` say nothing: blanks, ends of lines, a byte order mark.
std::size_t nothing(std::string_view text) {
  if (const std::size_t end = line_end(text)) return end;
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) return kByteOrderMark.size();
  return !text.empty() && is_blank(text.front()) ? 1 : 0;
}

std::string_view without_blanks(std::string_view text) {
  while (const std::size_t length = nothing(text)) text.remove_prefix(length);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool ends_in(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::string shown(std::string_view label) {
  std::string text;
  for (const char c : label.substr(0, 60)) text.push_back(c >= ' ' && c <= '~' ? c : '?');
  return text;
}

// One block as it stands in the text.
struct Armour {
  std::string label;
  std::string body;
  std::size_t line = 0;
  std::string trouble;  // why it is none, or ""
};

// Finds the blocks. A base64 body holds no hyphen, so that a block ends at the next boundary, wherever that stands.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {
    if (text.find(std::string_view("-\0-\0-\0", 6)) != std::string_view::npos || text.substr(0, 2) == "\xFF\xFE" ||
        text.substr(0, 2) == "\xFE\xFF") {
      throw Error{ErrorKind::invalid_input, "the text is UTF-16, which is not read"}.hint(
          "save it again as UTF-8 or ASCII");
    }
  }

  std::vector<Armour> read() {
    std::vector<Armour> blocks;
    while (find_begin()) blocks.push_back(read_block());
    return blocks;
  }

 private:
  std::string_view rest() const { return text_.substr(at_); }
  void move(std::size_t length) {
    for (const std::size_t end = std::min(at_ + length, text_.size()); at_ < end;) {
      // An escaped line end is none that an editor would count.
      const std::size_t step = rest().front() == '\\' ? 0 : line_end(rest());
      if (step != 0) ++line_;
      at_ += std::max<std::size_t>(step, 1);
    }
  }
  [[noreturn]] void refuse_here(const std::string& why) const {
    refuse_pem("line " + std::to_string(line_) + ": " + why);
  }

  // Moves to the next BEGIN. What stands before it on its line: nothing, or a comment, or something that we refuse_pem.
  bool find_begin() {
    bool comment = false;
    std::string_view before;  // the first thing on the line
    while (at_ < text_.size()) {
      if (rest().substr(0, kBegin.size()) == kBegin) {
        if (before.empty()) return true;
        if (!comment) {
          refuse_here("\"" + printable(bounded(before.substr(0, before.find(kBegin)), 40)) +
                      "\" is in front of -----BEGIN, which must begin its line");
        }
      }
      if (const std::size_t end = line_end(rest())) {
        move(end);
        before = {};
        comment = false;
      } else if (const std::size_t blank = nothing(rest()); blank != 0 && before.empty()) {
        move(blank);
      } else {
        if (before.empty()) {
          before = rest();
          before = before.substr(0, before.find_first_of("\r\n"));
          comment = before.front() == '#' || before.front() == ';' || before.front() == '>';
        }
        move(1);
      }
    }
    return false;
  }

  Armour read_block() {
    Armour armour;
    armour.line = line_;
    move(kBegin.size());
    armour.label = std::string(take_label());
    const std::string spoken = "PEM block " + shown(armour.label);
    if (ends_in(armour.label, "PRIVATE KEY")) {
      throw Error{ErrorKind::invalid_input, "line " + std::to_string(armour.line) + ": it holds a private key (" +
                                                shown(armour.label) + "), which is not read"}
          .hint("give a file that holds only certificates, requests or public keys");
    }
    const std::size_t dashes = rest().find(kDashes);
    const std::string_view body = rest().substr(0, dashes);
    for (std::string_view left = body; !left.empty();) {
      const std::size_t blank = nothing(left);
      if (blank == 0) armour.body.push_back(left.front());
      left.remove_prefix(std::max<std::size_t>(blank, 1));
    }
    move(body.size());
    if (rest().substr(0, kEnd.size()) != kEnd) {
      armour.trouble = spoken + " has no END line";
      return armour;
    }
    move(kEnd.size());
    const std::string_view end = take_label();
    if (end != armour.label) armour.trouble = spoken + " ends as " + shown(end);
    return armour;
  }

  // Up to the dashes on the same line, which are taken too.
  std::string_view take_label() {
    std::size_t length = 0;
    while (at_ + length < text_.size() && line_end(rest().substr(length)) == 0 &&
           rest().substr(length, kDashes.size()) != kDashes) {
      ++length;
    }
    const std::string_view label = rest().substr(0, length);
    if (rest().substr(length, kDashes.size()) != kDashes) refuse_here("a PEM boundary without its closing -----");
    move(length + kDashes.size());
    return label;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

PemBlock decoded(const Armour& armour) {
  const std::string spoken = "PEM block " + shown(armour.label);
  return prefixed("line " + std::to_string(armour.line), [&] {
    if (!armour.trouble.empty()) refuse_pem(armour.trouble);
    if (armour.body.find(':') != std::string::npos) {
      // RFC 7468 §2: encapsulated headers (RFC 1421) are not part of the format.
      refuse_pem(spoken + " has header lines, which are not read");
    }
    PemBlock block{armour.label, {}, armour.line};
    prefixed(spoken, [&] {
      block.der = from_base64(armour.body);
      der::only(block.der, spoken);
    });
    return block;
  });
}

// A DER file may hold the letters of a PEM header in a string: its own frame decides first.
bool is_der(ByteView file) {
  if (file.empty() || file[0] != der::kSequence) return false;
  der::Reader reader(file);
  try {
    reader.any("file");
    return reader.at_end();
  } catch (const Error&) {
    return false;
  }
}

std::vector<Bytes> read_kind(ByteView file, std::string_view wanted, std::string_view other_name,
                             std::string_view spoken) {
  const std::string_view text = as_text(file);
  if (without_blanks(text).empty()) refuse_pem("the file is empty; " + std::string(spoken) + " was expected");
  if (is_der(file)) return {Bytes(file.begin(), file.end())};
  Scanner scanner(text);
  const auto blocks = scanner.read();
  if (blocks.empty()) refuse_pem("neither PEM nor DER: " + std::string(spoken) + " was expected");
  std::vector<Bytes> found;
  std::vector<std::string> others;
  for (const Armour& armour : blocks) {
    PemBlock block = decoded(armour);
    if (block.label == wanted || (!other_name.empty() && block.label == other_name)) {
      found.push_back(std::move(block.der));
    } else {
      others.push_back(shown(block.label));
    }
  }
  if (found.empty()) refuse_pem(std::string(spoken) + " was expected, the file holds " + joined(others));
  return found;
}

Bytes exactly_one(std::vector<Bytes> found, std::string_view spoken) {
  if (found.size() != 1) {
    refuse_pem(std::string(spoken) + " was expected, the file holds " + std::to_string(found.size()));
  }
  return std::move(found.front());
}

}  // namespace

std::vector<PemBlock> read_pem(std::string_view text) {
  std::vector<PemBlock> blocks;
  for (const Armour& armour : Scanner(text).read()) blocks.push_back(decoded(armour));
  if (blocks.empty()) refuse_pem("it holds no PEM block (-----BEGIN …-----)");
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

Bytes read_crl(ByteView file) {
  return exactly_one(read_kind(file, "X509 CRL", "", "a CRL"), "one CRL");
}

Bytes read_key_of_person(ByteView file) {
  if (as_text(file).find("BEGIN CERTIFICATE") != std::string_view::npos) {
    return parse_certificate(read_certificate(file)).spki();
  }
  return read_public_key(file);
}

Bundle read_bundle(ByteView file) {
  Bundle bundle;
  if (is_der(file)) {
    parse_certificate(file);
    bundle.certificates.emplace_back(file.begin(), file.end());
    return bundle;
  }
  const auto blocks = Scanner(as_text(file)).read();
  if (blocks.empty()) refuse_pem("neither PEM nor DER: certificates were expected");
  for (const Armour& armour : blocks) {
    try {
      if (armour.label != "CERTIFICATE") {
        refuse_pem("line " + std::to_string(armour.line) + ": " + shown(armour.label) +
                   ", which is not read as a certificate");
      }
      PemBlock block = decoded(armour);
      prefixed("line " + std::to_string(armour.line), [&] { parse_certificate(block.der); });
      bundle.certificates.push_back(std::move(block.der));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::invalid_input) throw;
      bundle.skipped.push_back(error.message());
    }
  }
  if (bundle.certificates.empty()) refuse_pem("none of its certificates can be read: " + listed(bundle.skipped));
  return bundle;
}

std::string certificate_to_pem(ByteView der) {
  return write_pem("CERTIFICATE", der);
}

std::string csr_to_pem(ByteView der) {
  return write_pem("CERTIFICATE REQUEST", der);
}

}  // namespace hsmbridge::x509
