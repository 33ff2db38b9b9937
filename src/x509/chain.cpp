#include "x509/chain.h"

#include "base/error.h"
#include "x509/openssl_error.h"
#include "x509/openssl_ptr.h"

#include <ctime>

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

}  // namespace

ChainResult build_chain(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                        const std::vector<Certificate>& anchors, Instant at) {
  ChainResult result;
  if (anchors.empty()) {
    result.why = "no trust anchor is configured";
    return result;
  }
  const X509StorePtr store(::X509_STORE_new());
  const X509StoreContextPtr context(::X509_STORE_CTX_new());
  const StackPtr untrusted(sk_X509_new_null());
  if (!store || !context || !untrusted) throw openssl_error(ErrorKind::internal, "a certificate store");
  for (const Certificate& anchor : anchors) {
    if (::X509_STORE_add_cert(store.get(), to_openssl(anchor).get()) != 1) {
      throw openssl_error(ErrorKind::internal, "a trust anchor is refused");
    }
  }
  for (const Certificate& certificate : intermediates) {
    X509Ptr x509;
    try {
      x509 = to_openssl(certificate);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::invalid_input) throw;
      continue;  // OpenSSL reads some names more strictly than we do; such a certificate leads nowhere
    }
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
  for (int i = 0; i < sk_X509_num(chain); ++i)
    result.chain.push_back(parse_certificate(to_der(sk_X509_value(chain, i))));
  return result;
}

}  // namespace hsmbridge::x509
