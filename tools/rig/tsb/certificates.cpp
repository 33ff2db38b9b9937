#include "tools/rig/pki/authority.h"
#include "tools/rig/tsb/business_error.h"
#include "tools/rig/tsb/fields.h"
#include "tools/rig/tsb/signature_words.h"
#include "tools/rig/tsb/tsb.h"

#include <fmt/core.h>

#include <array>
#include <tuple>

namespace hsmbridge::rig {

// What a certificate endpoint was asked for; both server generations.
struct Tsb::CertificateOrder {
  std::string name;  // as keytool takes it, not escaped: "CN=…,O=…"
  std::string common_name;
  std::optional<std::int64_t> validity;  // days
  bool certificate_authority = false;
  Csr csr;
  std::string key_usage;  // value of the extension; "": none
  std::string extended_key_usage;
  bool copy_extensions = false;
  std::vector<SubjectAlternativeName> alternative_names;
};

namespace {

std::string inner_name(RequestKind kind) {
  return kind == RequestKind::csr           ? "csrSignRequest"
         : kind == RequestKind::self_signed ? "selfSignCertificateRequest"
                                            : "signCertificateRequest";
}

// The API's word, OpenSSL's.
using Usages = std::vector<std::pair<std::string_view, std::string_view>>;
const Usages kKeyUsages{{"DIGITAL_SIGNATURE", "digitalSignature"},
                        {"CONTENT_COMMITMENT", "nonRepudiation"},
                        {"KEY_ENCIPHERMENT", "keyEncipherment"},
                        {"DATA_ENCIPHERMENT", "dataEncipherment"},
                        {"KEY_AGREEMENT", "keyAgreement"},
                        {"KEY_CERT_SIGN", "keyCertSign"},
                        {"CRL_SIGN", "cRLSign"},
                        {"ENCIPHER_ONLY", "encipherOnly"},
                        {"DECIPHER_ONLY", "decipherOnly"}};
const Usages kExtendedKeyUsages{{"ANY_EXTENDED_KEY_USAGE", "anyExtendedKeyUsage"},
                                {"SERVER_AUTH", "serverAuth"},
                                {"CLIENT_AUTH", "clientAuth"},
                                {"CODE_SIGNING", "codeSigning"},
                                {"EMAIL_PROTECTION", "emailProtection"},
                                {"TIME_STAMPING", "timeStamping"},
                                {"OCSP_SIGNING", "OCSPSigning"}};

// The member's words as the value of an extension, "" for none.
std::string read_usages(Fields& fields, std::string_view name, const Usages& usages) {
  std::vector<std::string_view> known;
  for (const auto& [word, openssl] : usages) known.push_back(word);
  std::string value;
  for (const std::string& one : fields.words(name, known)) {
    for (const auto& [word, openssl] : usages) {
      if (word == one) value += fmt::format("{}{}", value.empty() ? "critical," : ",", openssl);
    }
  }
  return value;
}

// standardCertificateAttributes in the order in which the server writes the name: the API's word, keytool's; "": accepted
// and ignored.
constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kNameAttributes{{
    {"commonName", "CN"},
    {"organizationUnitName", "OU"},
    {"organizationName", "O"},
    {"organizationIdentifier", "2.5.4.97"},
    {"locality", "L"},
    {"stateOrProvinceName", "ST"},
    {"country", "C"},
    {"email", "EMAILADDRESS"},
    {"title", "T"},
    {"surname", "surname"},
    {"givenName", "givenname"},
    {"initials", "initials"},
    {"generationQualifier", "generation"},
    {"pseudonym", ""},
}};

// The name as text, and its common name.
std::pair<std::string, std::string> read_name(const Json& json, const std::string& path, Validation& validation) {
  Fields fields(json, path, validation);
  std::string name;
  const std::string common_name = fields.text("commonName");
  for (const auto& [field, type] : kNameAttributes) {
    const std::optional<std::string> value = fields.text_or_null(field);
    if (!value || value->empty() || type.empty()) continue;
    name += fmt::format("{}{}={}", name.empty() ? "" : ",", type, *value);
  }
  fields.done();
  return {name, common_name};
}

std::vector<SubjectAlternativeName> read_alternative_names(const Json& json, const std::string& path,
                                                           Validation& validation) {
  if (!json.is_array()) throw cannot_parse();
  std::vector<SubjectAlternativeName> names;
  for (const Json& element : json.as_array()) {
    Fields fields(element, path, validation);
    SubjectAlternativeName name;
    name.type = fields.word("sanType", {"DNS", "IP", "URI", "EMAIL", "OTHERNAME"});
    if (name.type == "EMAIL") name.type = "email";
    name.value = fields.text("sanValue");
    fields.done();
    names.push_back(std::move(name));
  }
  return names;
}

Error cannot_issue(std::string_view why) {
  return business_error(701, fmt::format("Could not issue certificate: {}", why));
}

}  // namespace

Answer Tsb::certificate_operation(const Asked& asked, RequestKind kind) {
  const bool is_new = options_.generation == Generation::v2_5;
  const std::string name = inner_name(kind);
  Validation validation;
  const Inner inner = inner_of(asked, name, validation);
  Fields fields(inner.json, name, validation);
  CertificateOrder order;
  const std::string label = fields.text("signKeyName");
  const std::string password = password_in(fields, "keyPassword");
  const std::string algorithm = fields.text("signatureAlgorithm");
  order.key_usage = read_usages(fields, "keyUsage", kKeyUsages);
  order.extended_key_usage = read_usages(fields, "extendedKeyUsage", kExtendedKeyUsages);
  fields.base64_or_null("metaData");
  fields.base64_or_null("metaDataSignature");

  // Which members name the subject and the validity depends on the endpoint and on the server's generation.
  const bool takes_attributes = kind == RequestKind::csr || is_new;
  if (takes_attributes) {
    const bool needed = kind == RequestKind::csr;
    const Json* attributes = needed ? fields.required_member("standardCertificateAttributes")
                                    : fields.member("standardCertificateAttributes");
    if (attributes != nullptr) {
      std::tie(order.name, order.common_name) =
          read_name(*attributes, fields.path_of("standardCertificateAttributes"), validation);
    }
  }
  if (kind != RequestKind::csr) {
    order.certificate_authority = fields.flag("certificateAuthority");
    const std::optional<std::string> common_name = fields.text_or_null("commonName");
    if (common_name && !common_name->empty() && order.name.empty()) {
      order.common_name = *common_name;
      order.name = "CN=" + *common_name;
    }
    if (order.name.empty()) fields.complain("commonName", "must not be empty");
  }
  if (kind == RequestKind::self_signed || (kind == RequestKind::csr && !is_new)) {
    order.validity = fields.number("validity");
  } else if (is_new) {
    order.validity = fields.number_or_null("validity");
  }
  if (order.validity && *order.validity < 1) fields.complain("validity", "must be greater than or equal to 1");
  std::string csr_text;
  if (kind == RequestKind::certificate) {
    csr_text = fields.text("certificateSigningRequest");
    if (is_new) {
      order.copy_extensions = fields.word_or_null("copyExtensions", {"NO_COPY", "COPY"}).value_or("NO_COPY") == "COPY";
    }
  }
  if (is_new) {
    if (const Json* names = fields.member("subjectAlternativeNames"); names != nullptr) {
      order.alternative_names = read_alternative_names(*names, fields.path_of("subjectAlternativeNames"), validation);
    }
  }
  fields.done();
  // CSRs are the exception that takes the wide enumeration.
  const SignatureWord* word = find_signature_word(algorithm);
  const bool usual = word != nullptr && word->certificates && (algorithm != "EDDSA" || is_new);
  if (!algorithm.empty() && !usual && (kind != RequestKind::csr || word == nullptr)) {
    validation.say(Flaw::wrong_word, name, algorithm);
  }
  validation.raise();

  const KeyRecord& key = usable_key(label, password);
  if (kind == RequestKind::certificate) {
    if (key.certificate.empty()) {
      throw business_error(402, fmt::format("Key with name '{}' does not have a valid signing-certificate, so key "
                                            "cannot be used for certificate-signing, use the endpoint "
                                            "'/v1/certificate/synchronous/selfsign' first and then perform this "
                                            "request again.",
                                            key.label));
    }
    const std::optional<Csr> csr = read_csr(csr_text);
    if (!csr) throw business_error(628, "The certificate signing request has an invalid format.");
    if (!csr->signature_is_good) throw cannot_issue("Signature not match");
    order.csr = *csr;
  }
  if (word->key_type != public_key_type(key.key->public_key())) {
    throw cannot_issue("The signature Algorithm is not valid for this key type.");
  }

  RequestRecord request;
  request.kind = kind;
  request.algorithm = algorithm;
  request.signature_type = "DER";
  try {
    request.payload = build(order, kind, key, word->scheme());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) throw;
    throw cannot_issue(error.message());
  }
  return create_request(std::move(request), key, asked, inner.text);
}

Bytes Tsb::build(const CertificateOrder& order, RequestKind kind, const KeyRecord& key,
                 const SignatureScheme& scheme) const {
  const bool documented = options_.certificates == CertificateStyle::as_documented;
  const bool self_signed = kind == RequestKind::self_signed;
  CertificateContent content;
  content.subject = parse_name(documented && kind != RequestKind::csr ? "CN=" + order.common_name : order.name);
  content.subject_public_key = key.key->public_key();
  if (self_signed || kind == RequestKind::csr || !documented) {
    if (order.certificate_authority) content.extensions.emplace_back("basicConstraints", "CA:TRUE");
    if (!order.extended_key_usage.empty())
      content.extensions.emplace_back("extendedKeyUsage", order.extended_key_usage);
    if (!order.key_usage.empty()) content.extensions.emplace_back("keyUsage", order.key_usage);
    content.alternative_names = order.alternative_names;
  }
  if (kind == RequestKind::csr) return csr_to_be_signed(content, *key.key, scheme);

  // Dates and serials are those of the vendor's published certificates: fixed when the request comes, before anybody
  // approves.
  content.not_before = documented ? std::chrono::floor<std::chrono::days>(now()) : now();
  content.not_after = content.not_before + std::chrono::days{order.validity.value_or(90)};
  if (!documented) content.serial = random_serial(8);
  if (!self_signed) {
    content.subject_public_key = order.csr.public_key;
    content.issuer = key.certificate;
    if (order.copy_extensions && !documented) content.copied_from_csr = order.csr.der;
  }
  return certificate_to_be_signed(content, *key.key, scheme);
}

Answer Tsb::certificate_request(const Asked& asked) {
  return certificate_operation(asked, RequestKind::csr);
}
Answer Tsb::self_sign(const Asked& asked) {
  return certificate_operation(asked, RequestKind::self_signed);
}
Answer Tsb::certificate_sign(const Asked& asked) {
  return certificate_operation(asked, RequestKind::certificate);
}

Answer Tsb::import_certificate(const Asked& asked) {
  Validation validation;
  Fields fields(asked.body, "", validation);
  const std::string label = fields.text("label");
  const Bytes certificate = fields.base64_bytes("certificate");
  fields.done();
  validation.raise();
  KeyRecord& key = find_key(label);
  try {
    read_certificate(certificate);
  } catch (const Error&) {
    throw business_error(402, "Could not read certificate.");
  }
  // As the real one: whatever is attached is overwritten, and nobody asks whose certificate it is.
  key.certificate = certificate;
  save(key);
  return get_certificate({asked.call, {label}});
}

Answer Tsb::get_certificate(const Asked& asked) {
  const KeyRecord& key = find_key(asked.captured[0]);
  if (key.certificate.empty()) {
    throw business_error(402, fmt::format("Key with name '{}' does not have a valid certificate attached.", key.label));
  }
  Json answer = Json::object(
      {{"label", key.label}, {"certificate", to_pem("CERTIFICATE", key.certificate, PemLayout::single_line)}});
  if (options_.generation == Generation::v2_5) answer.set("rawCertificate", base64(key.certificate));
  return {200, answer};
}

}  // namespace hsmbridge::rig
