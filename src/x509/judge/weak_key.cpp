#include "x509/judge/weak_key.h"

#include "base/error.h"
#include "x509/asn1/bounds.h"
#include "x509/asn1/openssl_error.h"
#include "x509/asn1/openssl_ptr.h"
#include "x509/objects/spki.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <new>
#include <utility>

namespace hsmbridge::x509 {
namespace {

// BR: the CA/Browser Forum's Baseline Requirements for TLS server certificates.
constexpr const char* kSizeReference = "CA/Browser Forum BR 6.1.5; NIST SP 800-131A";
constexpr const char* kExponentReference = "FIPS 186-5 appendix A.1.1; CA/Browser Forum BR 6.1.6";
constexpr const char* kModulusReference = "NIST SP 800-89 section 5.3.3; CA/Browser Forum BR 6.1.6";
constexpr const char* kFermatReference = "CVE-2022-26320; CA/Browser Forum BR 6.1.1.3";
constexpr const char* kRocaReference = "CVE-2017-15361; CA/Browser Forum BR 6.1.1.3";
constexpr const char* kPointReference = "NIST SP 800-56A section 5.6.2.3; CA/Browser Forum BR 6.1.6";

using ContextPtr = OpensslPtr<BN_CTX, ::BN_CTX_free>;

// OpenSSL's arithmetic fails only for want of memory, or for a mistake of ours.
void must(bool done) {
  if (!done) throw openssl_error(ErrorKind::internal, "arithmetic with a public key failed");
}

class Number {
 public:
  Number() : value_(::BN_new()) {
    if (!value_) throw std::bad_alloc();
  }
  explicit Number(ByteView big_endian) : Number() {
    must(::BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), value_.get()) != nullptr);
  }
  BIGNUM* get() const { return value_.get(); }
  unsigned long modulo(unsigned long divisor) const { return ::BN_mod_word(value_.get(), divisor); }

 private:
  BignumPtr value_;
};

// The largest integer whose square is not above `number`: Newton's method, from above.
Number square_root(const Number& number, BN_CTX* context) {
  Number root;
  Number next;
  must(::BN_set_bit(next.get(), (::BN_num_bits(number.get()) + 1) / 2) == 1);
  do {
    must(::BN_copy(root.get(), next.get()) != nullptr);
    must(::BN_div(next.get(), nullptr, number.get(), root.get(), context) == 1);
    must(::BN_add(next.get(), next.get(), root.get()) == 1);
    must(::BN_rshift1(next.get(), next.get()) == 1);
  } while (::BN_cmp(next.get(), root.get()) < 0);
  return root;
}

bool is_square(const Number& number, BN_CTX* context) {
  if (::BN_is_zero(number.get())) return true;
  // Most numbers are no square modulo one of these.
  for (const unsigned long small : {64UL, 63UL, 65UL, 11UL, 17UL, 19UL, 23UL, 31UL}) {
    const unsigned long rest = number.modulo(small);
    bool found = false;
    for (unsigned long i = 0; i <= small / 2 && !found; ++i) found = i * i % small == rest;
    if (!found) return false;
  }
  const Number root = square_root(number, context);
  Number square;
  must(::BN_sqr(square.get(), root.get(), context) == 1);
  return ::BN_cmp(square.get(), number.get()) == 0;
}

// Fermat: n = a² - b² = (a - b)(a + b), with a counted up from the root of n.
bool has_close_primes(const Number& modulus, BN_CTX* context) {
  constexpr int kRounds = 100;  // BR 6.1.1.3
  Number a = square_root(modulus, context);
  Number rest;
  for (int round = 0; round <= kRounds; ++round) {
    must(::BN_sqr(rest.get(), a.get(), context) == 1);
    must(::BN_sub(rest.get(), rest.get(), modulus.get()) == 1);
    if (!::BN_is_negative(rest.get()) && is_square(rest, context)) return true;
    must(::BN_add_word(a.get(), 1) == 1);
  }
  return false;
}

// Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, section 2: each prime is k * M + (65537^a mod M) with M
// the product of the first primes, so that modulo each of these the modulus is a power of 65537 too. Of other moduli
// fewer than one in 2^100 is.
bool is_roca(const Number& modulus) {
  constexpr unsigned long kPrimes[] = {3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
                                       47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
                                       107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};
  constexpr unsigned long kGenerator = 65537;
  return std::all_of(std::begin(kPrimes), std::end(kPrimes), [&](unsigned long prime) {
    const unsigned long rest = modulus.modulo(prime);
    unsigned long power = 1;
    do {
      if (power == rest) return true;
      power = power * (kGenerator % prime) % prime;
    } while (power != 1);
    return false;
  });
}

std::vector<unsigned long> primes_below(unsigned long end) {
  std::vector<bool> composite(end, false);
  std::vector<unsigned long> primes;
  for (unsigned long candidate = 2; candidate < end; ++candidate) {
    if (composite[candidate]) continue;
    primes.push_back(candidate);
    for (unsigned long multiple = candidate * candidate; multiple < end; multiple += candidate) {
      composite[multiple] = true;
    }
  }
  return primes;
}

// A factor that anybody finds at once; 0 for none.
unsigned long small_factor(const Number& modulus) {
  static const std::vector<unsigned long> kPrimes = primes_below(1UL << 16U);
  const auto found =
      std::find_if(kPrimes.begin(), kPrimes.end(), [&](unsigned long prime) { return modulus.modulo(prime) == 0; });
  return found == kPrimes.end() ? 0 : *found;
}

// OpenSSL's examination of a public key: of RSA the modulus (neither prime nor the power of one), of EC the point.
bool openssl_takes(ByteView spki) {
  const unsigned char* at = spki.data();
  const PkeyPtr key(::d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  const PkeyContextPtr context(key ? ::EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr) : nullptr);
  const bool good = context && ::EVP_PKEY_public_check(context.get()) == 1;
  take_openssl_errors();
  return good;
}

std::vector<KeyWeakness> rsa_weaknesses(const RsaNumbers& rsa, ByteView spki) {
  std::vector<KeyWeakness> found;
  const Number modulus(rsa.modulus);
  const Number exponent(rsa.exponent);
  const auto bits = static_cast<unsigned>(::BN_num_bits(modulus.get()));
  if (bits < kLeastRsaBits) {
    found.push_back({"rsa-size",
                     "an RSA key of " + std::to_string(bits) + " bits is too small: at least " +
                         std::to_string(kLeastRsaBits) + " are required",
                     kSizeReference});
  } else if (bits > kMostRsaBits) {
    // A bound of this program: the arithmetic below would cost whoever is asked for a certificate too much.
    return {{"rsa-size",
             "an RSA key of " + std::to_string(bits) + " bits is larger than the " + std::to_string(kMostRsaBits) +
                 " that are supported",
             "hsmbridge help certificates"}};
  } else if (bits % 8 != 0) {
    found.push_back({"rsa-size", "an RSA modulus of " + std::to_string(bits) + " bits is no whole number of octets",
                     kSizeReference});
  }
  const int exponent_bits = ::BN_num_bits(exponent.get());
  if (exponent_bits <= 16 || exponent_bits > 64 || ::BN_is_odd(exponent.get()) != 1) {
    found.push_back(
        {"rsa-exponent",
         "its public exponent " + bounded("0x" + hex(rsa.exponent), 40) + " is not an odd number from 65537 to 2^64",
         kExponentReference});
  }
  if (bits < 16) return found;
  const ContextPtr context(::BN_CTX_new());
  if (!context) throw std::bad_alloc();
  if (has_close_primes(modulus, context.get())) {
    found.push_back({"close-primes",
                     "its two primes are so close that Fermat's method finds the private key within 100 rounds",
                     kFermatReference});
  }
  if (const unsigned long factor = small_factor(modulus); factor != 0) {
    found.push_back({"rsa-modulus", "its modulus has the factor " + std::to_string(factor), kModulusReference});
  }
  if (is_roca(modulus)) {
    found.push_back({"roca", "it was made by a faulty chip (ROCA): the private key can be computed from the public one",
                     kRocaReference});
  }
  // After what it would say of the same fault.
  const bool told = std::any_of(found.begin(), found.end(), [](const auto& one) { return one.name != "rsa-exponent"; });
  const bool is_exponent = exponent_bits > 1 && ::BN_is_odd(exponent.get()) == 1;  // else it refuses for that alone
  if (!told && is_exponent && !openssl_takes(spki)) {
    found.push_back({"rsa-modulus", "its modulus is not the product of two large primes", kModulusReference});
  }
  return found;
}

// A point of small order of edwards25519, in any of its encodings: signatures of it verify that nobody made with a
// private key. The y coordinates are those of orders 1, 2, 4 and 8, and what is not below p = 2^255 - 19 (RFC 8032
// §5.1.3 refuses it).
bool has_small_order(ByteView point) {
  constexpr std::size_t kOctets = 32;
  if (point.size() != kOctets) return false;
  Bytes y(point.begin(), point.end());
  y.back() &= 0x7F;  // the sign of x
  std::reverse(y.begin(), y.end());
  static const Bytes kPrime = from_hex("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed");
  static const Bytes kSmall[] = {
      from_hex("0000000000000000000000000000000000000000000000000000000000000000"),
      from_hex("0000000000000000000000000000000000000000000000000000000000000001"),
      from_hex("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826"),
      from_hex("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd83d3d706a17c7"),
      from_hex("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec"),
  };
  return y >= kPrime || std::find(std::begin(kSmall), std::end(kSmall), y) != std::end(kSmall);
}

}  // namespace

std::vector<KeyWeakness> key_weaknesses(ByteView spki) {
  if (const auto rsa = rsa_numbers(spki); rsa && !rsa->modulus.empty()) {
    auto found = rsa_weaknesses(*rsa, spki);
    if (!found.empty()) return found;
  }
  try {
    // RFC 8410 §4: the key is the last 32 octets.
    if (key_spec_of(spki).type == KeyType::ed25519 && spki.size() >= 32 && has_small_order(spki.last(32))) {
      return {{"key", "its point has a small order: anybody can sign for it", kPointReference}};
    }
  } catch (const Error& error) {
    return {{"key", error.message(), "hsmbridge help certificates"}};
  }
  if (!openssl_takes(spki)) return {{"key", "its point is not a point of its curve", kPointReference}};
  return {};
}

}  // namespace hsmbridge::x509
