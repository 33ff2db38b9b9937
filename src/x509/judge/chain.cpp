#include "x509/judge/chain.h"

#include "base/error.h"
#include "x509/asn1/bounds.h"
#include "x509/asn1/openssl_error.h"
#include "x509/asn1/openssl_ptr.h"

#include <algorithm>
#include <ctime>
#include <set>

namespace hsmbridge::x509 {
namespace {

struct StackDeleter {
  void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_pop_free(stack, ::X509_free); }
};
using StackPtr = std::unique_ptr<STACK_OF(X509), StackDeleter>;

X509Ptr to_openssl(const Certificate& certificate) {
  const unsigned char* at = certificate.der.data();
  X509Ptr x509(::d2i_X509(nullptr, &at, static_cast<long>(certificate.der.size())));
  if (!x509) {
    throw openssl_error(ErrorKind::invalid_input,
                        "the certificate of " + certificate.subject().to_string() + " cannot be read");
  }
  return x509;
}

Bytes to_der(X509* x509) {
  unsigned char* der = nullptr;
  const int length = ::i2d_X509(x509, &der);
  if (length <= 0) throw openssl_error(ErrorKind::internal, "a certificate of the chain cannot be written");
  Bytes bytes(der, der + length);
  ::OPENSSL_free(der);
  return bytes;
}

// A critical extension of the leaf that OpenSSL does not know may be one that was asked for: whether it was, the
// comparison with the request says. Those of an issuer stay errors (RFC 5280 §4.2).
int judge(int good, X509_STORE_CTX* context) noexcept {
  if (good == 1) return 1;
  if (::X509_STORE_CTX_get_error(context) == X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION &&
      ::X509_STORE_CTX_get_error_depth(context) == 0) {
    ::X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
  }
  return 0;
}

std::string name_at(X509_STORE_CTX* context, const Certificate& leaf) {
  X509* current = ::X509_STORE_CTX_get_current_cert(context);
  if (current == nullptr) return leaf.subject().to_string();
  return parse_certificate(to_der(current)).subject().to_string();
}

// Nothing for a certificate that OpenSSL reads more strictly than we do: it leads nowhere.
X509Ptr readable(const Certificate& certificate) {
  try {
    return to_openssl(certificate);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) throw;
    return nullptr;
  }
}

// One run of OpenSSL's path building.
ChainResult attempt(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                    const std::vector<Certificate>& anchors, Instant at) {
  ChainResult result;
  const X509StorePtr store(::X509_STORE_new());
  const X509StoreContextPtr context(::X509_STORE_CTX_new());
  const StackPtr untrusted(sk_X509_new_null());
  if (!store || !context || !untrusted) throw openssl_error(ErrorKind::internal, "a certificate store");
  for (const Certificate& anchor : anchors) {
    const X509Ptr x509 = readable(anchor);
    if (x509 && ::X509_STORE_add_cert(store.get(), x509.get()) != 1) {
      throw openssl_error(ErrorKind::internal, "a trust anchor is refused");
    }
  }
  for (const Certificate& certificate : intermediates) {
    X509Ptr x509 = readable(certificate);
    if (!x509) continue;
    if (sk_X509_push(untrusted.get(), x509.get()) <= 0) throw openssl_error(ErrorKind::internal, "a certificate list");
    static_cast<void>(x509.release());  // the list owns it now
  }
  X509Ptr target;
  try {
    target = to_openssl(leaf);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) throw;
    result.why = error.message();
    return result;
  }
  if (::X509_STORE_CTX_init(context.get(), store.get(), target.get(), untrusted.get()) != 1) {
    throw openssl_error(ErrorKind::internal, "a chain verification cannot begin");
  }
  X509_VERIFY_PARAM* parameters = ::X509_STORE_CTX_get0_param(context.get());
  ::X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  ::X509_VERIFY_PARAM_set_time(
      parameters, static_cast<std::time_t>(std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count()));
  ::X509_VERIFY_PARAM_set_depth(parameters, kMostAuthorities);
  ::X509_VERIFY_PARAM_set_auth_level(parameters, 1);  // 80 bits: no SHA-1, no RSA under 1024 bits anywhere
  ::X509_STORE_CTX_set_verify_cb(context.get(), judge);
  const int verified = ::X509_verify_cert(context.get());
  take_openssl_errors();
  if (verified != 1) {
    const int code = ::X509_STORE_CTX_get_error(context.get());
    result.why = std::string(::X509_verify_cert_error_string(code)) + ", at the certificate of \"" +
                 name_at(context.get(), leaf) + "\"";
    return result;
  }
  result.anchored = true;
  const STACK_OF(X509)* chain = ::X509_STORE_CTX_get0_chain(context.get());
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    result.chain.push_back(parse_certificate(to_der(sk_X509_value(chain, i))));
  }
  return result;
}

// What of `pool` is an issuer, by name and signature, of `leaf` or of another such issuer.
std::vector<Certificate> issuers_above(SignatureBudget& signatures, const Certificate& leaf,
                                       const std::vector<Certificate>& pool) {
  std::vector<Certificate> above;
  std::vector<bool> taken(pool.size(), false);
  const Certificate* child = &leaf;
  for (std::size_t next = 0;; child = &above[next++]) {
    const Certificate below = *child;  // `above` may move
    for (std::size_t i = 0; i < pool.size(); ++i) {
      if (taken[i] || !signatures.issued(pool[i], below)) continue;
      taken[i] = true;
      above.push_back(pool[i]);
    }
    if (next == above.size()) return above;
  }
}

// The anchors that issued `leaf` or one of `path`, or are one of them.
std::vector<Certificate> anchors_above(SignatureBudget& signatures, const Certificate& leaf,
                                       const std::vector<Certificate>& path, const std::vector<Certificate>& anchors) {
  std::vector<Certificate> below = path;
  below.push_back(leaf);
  std::vector<Certificate> above;
  for (const Certificate& anchor : anchors) {
    const bool fits = std::any_of(below.begin(), below.end(), [&](const Certificate& child) {
      return child.der == anchor.der || signatures.issued(anchor, child);
    });
    if (fits) above.push_back(anchor);
  }
  return above;
}

}  // namespace

ChainResult build_chain(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                        const std::vector<Certificate>& anchors, Instant at, SignatureBudget& signatures) {
  ChainResult result;
  if (anchors.empty()) {
    result.why = "no trust anchor is configured";
    return result;
  }
  std::vector<Certificate> usable;
  std::set<Bytes> known;
  for (const Certificate& certificate : intermediates) {
    if (known.size() < kMostChain && known.insert(certificate.der).second) usable.push_back(certificate);
  }
  result = attempt(leaf, usable, anchors, at);
  if (result.anchored) return result;
  // OpenSSL takes the first issuer of a name, and tries no other when that one's key did not make the signature: a CA
  // that was given a new key under its old name and writes no key identifiers.
  const std::vector<Certificate> path = issuers_above(signatures, leaf, usable);
  ChainResult again = attempt(leaf, path, anchors_above(signatures, leaf, path, anchors), at);
  if (again.anchored) return again;
  if (known.size() == kMostChain && intermediates.size() > kMostChain) {
    result.why +=
        " (of the certificates sent with it only the first " + std::to_string(kMostChain) + " were looked at)";
  }
  if (signatures.is_spent()) {
    result.why += " (too many of them have one name: after " + std::to_string(kMostSignatures) +
                  " signatures it was not looked further)";
  }
  return result;
}

ChainResult build_chain(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                        const std::vector<Certificate>& anchors, Instant at) {
  SignatureBudget signatures;
  return build_chain(leaf, intermediates, anchors, at, signatures);
}

std::vector<std::string> purposes_refused(const Certificate& issuer, const std::vector<Oid>& purposes) {
  static const Oid kAny{"2.5.29.37.0"};
  static const Oid kOcspSigning{"1.3.6.1.5.5.7.3.9"};
  const auto& may = issuer.content().extended_key_usage;
  const auto has = [&](const Oid& oid) { return std::find(may.begin(), may.end(), oid) != may.end(); };
  std::vector<std::string> refused;
  if (may.empty() || has(kAny)) return refused;
  for (const Oid& purpose : purposes) {
    if (!has(purpose) && purpose != kOcspSigning) refused.push_back(purpose.name());
  }
  return refused;
}

}  // namespace hsmbridge::x509
