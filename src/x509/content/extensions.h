#pragma once

#include "base/bytes.h"
#include "x509/content/content.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Content as X.509 extensions (RFC 5280 §4.2) and back.
namespace hsmbridge::x509 {

namespace oids {
inline const Oid kSubjectKeyIdentifier{"2.5.29.14"};
inline const Oid kKeyUsage{"2.5.29.15"};
inline const Oid kSubjectAltName{"2.5.29.17"};
inline const Oid kBasicConstraints{"2.5.29.19"};
inline const Oid kCrlNumber{"2.5.29.20"};
inline const Oid kReasonCode{"2.5.29.21"};
inline const Oid kIssuingDistributionPoint{"2.5.29.28"};
inline const Oid kNameConstraints{"2.5.29.30"};
inline const Oid kCrlDistributionPoints{"2.5.29.31"};
inline const Oid kCertificatePolicies{"2.5.29.32"};
inline const Oid kAuthorityKeyIdentifier{"2.5.29.35"};
inline const Oid kExtendedKeyUsage{"2.5.29.37"};
inline const Oid kAnyExtendedKeyUsage{"2.5.29.37.0"};
inline const Oid kAuthorityInfoAccess{"1.3.6.1.5.5.7.1.1"};
inline const Oid kTlsFeature{"1.3.6.1.5.5.7.1.24"};
}  // namespace oids

// An extension that has a field of its own in Content.
struct ContentExtension {
  const Oid* oid;
  std::string_view text;  // "subject alternative names"
  bool Content::Critical::*critical;
  bool (*present)(const Content& content);
  Bytes (*encode)(const Content& content);           // of one that is present
  void (*decode)(Content& content, ByteView value);  // throws invalid_input
};
std::span<const ContentExtension> content_extensions();
// Whether it is written as critical: as the content says, and alternative names beside an empty subject always.
bool marked_critical(const Content& content, const ContentExtension& row);

// The extensions of `content` in a fixed order, as Extension values. Empty when it asks for none.
std::vector<Extension> extensions_of(const Content& content);
// DER SEQUENCE OF Extension.
Bytes encode_extensions(const std::vector<Extension>& extensions);
// The inverse. Throws invalid_input on a duplicate (RFC 5280 §4.2) and on malformed DER.
std::vector<Extension> decode_extensions(ByteView der);
// Fills the fields of `content` from extensions; those without a field go to other_extensions. A known extension whose
// value is malformed throws invalid_input naming it.
void apply_extensions(Content& content, const std::vector<Extension>& extensions);

// The AuthorityKeyIdentifier extension with a keyIdentifier only, and the keyIdentifier out of such a value (nothing
// when the value has none).
Extension authority_key_identifier(ByteView key_identifier);
std::optional<Bytes> key_identifier_of_authority(ByteView value);

// Extensions a profile adds for its CA, as rows for Content::other_extensions.
Extension crl_distribution_points(const std::vector<std::string>& uris);
// The URLs in the value of such an extension, in order; names of another kind are left out. Throws invalid_input.
std::vector<std::string> crl_urls(ByteView value);
// The same in the content of a DistributionPointName.
std::vector<std::string> urls_of_distribution_point(ByteView name);
// Of a shard (RFC 5280 §5.2.5): critical, with the very name that the distribution point of its certificates has.
Extension issuing_distribution_point(const std::string& uri);
// Of a CRL that is about the certificates of CAs alone (onlyContainsCACerts), whatever address they name: critical.
Extension issuing_distribution_point_of_authorities();
Extension authority_info_access(const std::vector<std::string>& ocsp_uris, const std::vector<std::string>& issuer_uris);

}  // namespace hsmbridge::x509
