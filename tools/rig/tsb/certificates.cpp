#include "tools/rig/pki/authority.h"
#include "tools/rig/tsb/business_error.h"
#include "tools/rig/tsb/fields.h"
#include "tools/rig/tsb/json_text.h"
#include "tools/rig/tsb/signature_words.h"
#include "tools/rig/tsb/tsb.h"

#include <fmt/core.h>

#include <array>
#include <tuple>

namespace hsmbridge::rig {

// What a certificate endpoint was asked for; both server generations, synchronous or not.
struct Tsb::CertificateOrder {
  RequestKind kind = RequestKind::certificate;
  std::string key;
  std::string password;
  std::string algorithm;
  std::string name;  // as keytool takes it, not escaped: "CN=…,O=…"
  std::string common_name;
  std::optional<std::int64_t> validity;  // days
  bool certificate_authority = false;
  std::string csr_text;
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

struct NameAttribute {
  std::string_view field;
  std::string_view type;  // keytool's; "": accepted and ignored
};

// standardCertificateAttributes in the order in which the server writes the name.
constexpr std::array<NameAttribute, 14> kNameAttributes{{
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
  for (const NameAttribute& attribute : kNameAttributes) {
    const std::optional<std::string> value = fields.text_or_null(attribute.field);
    if (!value || value->empty() || attribute.type.empty()) continue;
    name += fmt::format("{}{}={}", name.empty() ? "" : ",", attribute.type, *value);
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

Instant midnight(Instant time) {
  return std::chrono::floor<std::chrono::days>(time);
}

}  // namespace

Answer Tsb::certificate_operation(const Asked& asked, RequestKind kind, bool at_once) {
  const bool is_new = options_.generation == Generation::v2_5;
  Validation validation;
  const Json* inner = &asked.body;
  const Json* signature = nullptr;
  if (!at_once) {
    Fields outer(asked.body, "", validation);
    inner = outer.required_member(inner_name(kind));
    signature = outer.member("requestSignature");
    outer.done();
    validation.raise();
  }

  Fields fields(*inner, at_once ? "" : inner_name(kind), validation);
  CertificateOrder order;
  order.kind = kind;
  order.key = fields.text("signKeyName");
  order.password = password_in(fields, "keyPassword");
  order.algorithm = fields.text("signatureAlgorithm");
  order.key_usage = read_usages(fields, "keyUsage", kKeyUsages);
  order.extended_key_usage = read_usages(fields, "extendedKeyUsage", kExtendedKeyUsages);
  if (!at_once) {
    fields.base64_or_null("metaData");
    fields.base64_or_null("metaDataSignature");
  }

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
  const bool validity_needed = kind == RequestKind::self_signed || (kind == RequestKind::csr && !is_new) ||
                               (kind == RequestKind::certificate && is_new && at_once);
  const bool validity_known = validity_needed || (is_new && !(kind == RequestKind::csr && at_once));
  if (validity_needed) {
    order.validity = fields.number("validity");
  } else if (validity_known) {
    order.validity = fields.number_or_null("validity");
  }
  if (order.validity && *order.validity < 1) fields.complain("validity", "must be greater than or equal to 1");
  if (kind == RequestKind::certificate) {
    order.csr_text = fields.text("certificateSigningRequest");
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
  // CSRs are the exception that takes the wide enumeration, when they wait for approvals.
  const SignatureWord* word = find_signature_word(order.algorithm);
  const bool wide = kind == RequestKind::csr && !at_once;
  const bool usual = word != nullptr && word->certificates && (order.algorithm != "EDDSA" || is_new);
  if (!order.algorithm.empty() && !usual && (!wide || word == nullptr)) {
    validation.wrong_word(at_once ? "signatureAlgorithm" : inner_name(kind), order.algorithm);
  }
  validation.raise();

  const std::string original = at_once ? "" : compact_member(asked.call.body, inner_name(kind));
  if (!at_once) check_request_signature(signature, original);
  KeyRecord& key = usable_key(order.key, order.password);
  if (kind == RequestKind::certificate) {
    if (key.certificate.empty()) {
      throw business_error(402, fmt::format("Key with name '{}' does not have a valid signing-certificate, so key "
                                            "cannot be used for certificate-signing, use the endpoint "
                                            "'/v1/certificate/synchronous/selfsign' first and then perform this "
                                            "request again.",
                                            key.label));
    }
    const std::optional<Csr> csr = read_csr(order.csr_text);
    if (!csr) throw business_error(628, "The certificate signing request has an invalid format.");
    if (!csr->signature_is_good) throw cannot_issue("Signature not match");
    order.csr = *csr;
  }
  if (word == nullptr || word->key_type != public_key_type(key.key->public_key())) {
    throw cannot_issue("The signature Algorithm is not valid for this key type.");
  }

  Bytes to_be_signed;
  try {
    to_be_signed = build(order, key, at_once);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) throw;
    throw cannot_issue(error.message());
  }
  if (!at_once) {
    return create_request({kind, key, std::move(to_be_signed), order.algorithm, "DER", asked.body, original});
  }

  check_free(key);
  const Bytes der = assemble(to_be_signed, *key.key, word->scheme(), key.key->sign(word->scheme(), to_be_signed));
  if (kind == RequestKind::csr) {
    if (key.certificate.empty()) {
      // A known side effect of the real one: keytool cannot make a CSR without a certificate on the key.
      CertificateOrder side = order;
      side.kind = RequestKind::self_signed;
      const Bytes inside = build(side, key, true);
      key.certificate = assemble(inside, *key.key, word->scheme(), key.key->sign(word->scheme(), inside));
      save(key);
    }
    const std::string pem = to_pem("NEW CERTIFICATE REQUEST", der);
    return {200, Json::object({{"label", key.label}, {"certificateSigningRequest", pem}})};
  }
  if (kind == RequestKind::self_signed) {
    key.certificate = der;
    save(key);
  }
  const std::string pem = to_pem("CERTIFICATE", der, PemLayout::single_line);
  return {200, Json::object({{"label", key.label}, {"certificate", pem}})};
}

Bytes Tsb::build(const CertificateOrder& order, const KeyRecord& key, bool at_once) const {
  const SignatureScheme scheme = find_signature_word(order.algorithm)->scheme();
  const bool documented = options_.certificates == CertificateStyle::as_documented;
  CertificateContent content;
  const bool common_name_only = documented && order.kind != RequestKind::csr;
  content.subject = parse_name(common_name_only ? "CN=" + order.common_name : order.name);
  content.subject_public_key = key.key->public_key();
  const auto add_extensions = [&] {
    if (!order.extended_key_usage.empty()) {
      content.extensions.emplace_back("extendedKeyUsage", order.extended_key_usage);
    }
    if (!order.key_usage.empty()) content.extensions.emplace_back("keyUsage", order.key_usage);
    content.alternative_names = order.alternative_names;
  };
  if (order.kind == RequestKind::csr) {
    add_extensions();
    return csr_to_be_signed(content, *key.key, scheme);
  }

  // Dates and serials are those of the vendor's published certificates: fixed when the request comes, before anybody
  // approves.
  const bool self_signed = order.kind == RequestKind::self_signed;
  content.not_before = documented && (self_signed || !at_once) ? midnight(now()) : now();
  const std::int64_t usual_days = documented && at_once && !self_signed ? 3650 : 90;
  content.not_after = content.not_before + std::chrono::days{order.validity.value_or(usual_days)};
  if (!documented) {
    content.serial = random_serial(8);
  } else if (!self_signed && at_once) {
    content.serial = random_serial(4);
  }
  if (self_signed || !documented) {
    if (order.certificate_authority) content.extensions.emplace_back("basicConstraints", "CA:TRUE");
    add_extensions();
  }
  if (!self_signed) {
    content.subject_public_key = order.csr.public_key;
    content.issuer = key.certificate;
    if (order.copy_extensions && !documented) content.copied_from_csr = order.csr.der;
  }
  return certificate_to_be_signed(content, *key.key, scheme);
}

Answer Tsb::certificate_request(const Asked& asked) {
  return certificate_operation(asked, RequestKind::csr, false);
}
Answer Tsb::certificate_request_now(const Asked& asked) {
  return certificate_operation(asked, RequestKind::csr, true);
}
Answer Tsb::self_sign(const Asked& asked) {
  return certificate_operation(asked, RequestKind::self_signed, false);
}
Answer Tsb::self_sign_now(const Asked& asked) {
  return certificate_operation(asked, RequestKind::self_signed, true);
}
Answer Tsb::certificate_sign(const Asked& asked) {
  return certificate_operation(asked, RequestKind::certificate, false);
}
Answer Tsb::certificate_sign_now(const Asked& asked) {
  return certificate_operation(asked, RequestKind::certificate, true);
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
