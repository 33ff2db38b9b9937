#include "x509/asn1/oid.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/openssl_error.h"
#include "x509/asn1/openssl_ptr.h"

#include <openssl/err.h>
#include <openssl/objects.h>

namespace hsmbridge::x509 {
namespace {

// Longer ones exist only in attacks: turning a long identifier into decimal text takes quadratic time. An octet becomes
// at most four characters (".127"), so that whatever is read from DER can be read again from its text.
constexpr std::size_t kMostContent = 64;
constexpr std::size_t kMostOidText = 4 * kMostContent;

[[noreturn]] void refuse_oid(std::string_view text) {
  ::ERR_clear_error();
  throw Error{ErrorKind::invalid_input,
              "\"" + std::string(text.substr(0, kMostOidText)) +
                  "\" is neither an object identifier (such as 1.3.6.1.5.5.7.3.1) nor a known name"};
}

ObjectPtr object_from_dotted(const std::string& dotted) {
  if (dotted.size() > kMostOidText) refuse_oid(dotted);
  for (const char c : dotted) {
    if (!((c >= '0' && c <= '9') || c == '.')) refuse_oid(dotted);
  }
  ObjectPtr object(::OBJ_txt2obj(dotted.c_str(), 1));
  if (!object || ::OBJ_length(object.get()) == 0) refuse_oid(dotted);
  return object;
}

std::string dotted_text(const ASN1_OBJECT* object) {
  const int length = ::OBJ_obj2txt(nullptr, 0, object, 1);
  if (length <= 0) throw openssl_error(ErrorKind::invalid_input, "an object identifier cannot be written as text");
  std::string text(static_cast<std::size_t>(length) + 1, '\0');
  ::OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1);
  text.resize(static_cast<std::size_t>(length));
  return text;
}

}  // namespace

Oid Oid::parse(std::string_view text) {
  std::string_view rest = text;
  const std::string prefix = lower(rest.substr(0, 4));
  if (prefix == "oid." || prefix == "oid:") rest.remove_prefix(4);
  if (rest.empty() || rest.size() > kMostOidText || rest.find('\0') != std::string_view::npos) refuse_oid(text);
  if (rest.front() >= '0' && rest.front() <= '9') {
    // Through OpenSSL and back, so that 1.02.3 and 1.2.3 are one.
    return Oid(dotted_text(object_from_dotted(std::string(rest)).get()));
  }
  const int nid = ::OBJ_txt2nid(std::string(rest).c_str());
  const ASN1_OBJECT* object = nid == NID_undef ? nullptr : ::OBJ_nid2obj(nid);
  if (object == nullptr || ::OBJ_length(object) == 0) refuse_oid(text);
  return Oid(dotted_text(object));
}

Oid Oid::from_content(ByteView content) {
  if (content.empty() || content.size() > kMostContent) {
    throw Error{ErrorKind::invalid_input, "an object identifier has " + std::to_string(content.size()) +
                                              " octets (1 to " + std::to_string(kMostContent) + " are read)"};
  }
  Bytes der{0x06};
  if (content.size() >= 0x80) der.push_back(0x81);
  der.push_back(static_cast<std::uint8_t>(content.size()));
  der.insert(der.end(), content.begin(), content.end());
  const unsigned char* at = der.data();
  const ObjectPtr object(::d2i_ASN1_OBJECT(nullptr, &at, static_cast<long>(der.size())));
  if (!object) throw openssl_error(ErrorKind::invalid_input, "malformed object identifier " + hex(content));
  return Oid(dotted_text(object.get()));
}

Bytes Oid::content() const {
  const ObjectPtr object = object_from_dotted(dotted_);
  const unsigned char* data = ::OBJ_get0_data(object.get());
  return Bytes(data, data + ::OBJ_length(object.get()));
}

std::string Oid::name() const {
  if (dotted_.empty()) return dotted_;
  const ObjectPtr object = object_from_dotted(dotted_);
  const int nid = ::OBJ_obj2nid(object.get());
  return nid == NID_undef ? dotted_ : std::string(::OBJ_nid2sn(nid));
}

}  // namespace hsmbridge::x509
