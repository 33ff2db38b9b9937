#pragma once

#include "base/bytes.h"
#include "base/json.h"
#include "x509/objects/signer.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

// What private keys are used for, and what is written down about each use.
namespace hsmbridge::workflow {

// Appends a leaf to the audit log: durable when it returns. Throws unavailable: then nothing may be signed, sent or
// destroyed.
using RecordFact = std::function<void(std::string_view kind, const Json& facts)>;

// A proof (KeySigner::prove) may be signed under any purpose: it tells which public key a private half has.
enum class Purpose {
  csr,          // a certificate request
  proof,        // that the private half is there: nothing is certified with it
  approval,     // an approver's decisions, and the time stamps with which he asks for his tasks
  metadata,     // what goes with a submission, so that approvers can tell who wrote it
  time_stamp,   // asking a provider for the tasks of this bridge
  jwt,          // a claim of identity for an access token
  tls_client,   // TLS client authentication: OpenSSL signs inside a handshake
  certificate,  // a certificate, as a CA: only what was linted
  crl,          // a certificate revocation list, likewise
};

// The contract of the purpose, beside that of every key (pkcs11/keys/contract.h), and the leaves of the audit log.
struct PurposeRow {
  Purpose purpose;
  std::string_view word;     // what a leaf calls it where nobody says more (Intent::words)
  std::string_view intent;   // the leaf that is durable before the key signs
  std::string_view outcome;  // the leaf once there is a signature that nobody has yet; "" for none
  bool any_flaw;             // whatever may be wrong with the key: a proof certifies nothing
  // Signed once for each intent: where the token may have signed before it failed, it is not asked again by itself.
  bool once = false;
};
inline constexpr std::string_view kProofIntent = "key-prove";  // of a proof, whatever the purpose
inline constexpr PurposeRow kPurposes[] = {
    {Purpose::csr, "csr", "key-use", "", false},
    {Purpose::proof, "proof", "key-prove", "", true},
    {Purpose::approval, "approval", "approver-key-use", "approver-key-used", false},
    {Purpose::metadata, "metadata", "application-key-use", "application-key-used", false},
    {Purpose::time_stamp, "time stamp", "task-reader-key-use", "task-reader-key-used", false},
    {Purpose::jwt, "jwt", "service-account-key-use", "service-account-key-used", false},
    {Purpose::tls_client, "TLS client authentication", "client-key-use", "", false},
    {Purpose::certificate, "certificate", "ca-key-use", "ca-key-used", false, true},
    {Purpose::crl, "CRL", "ca-key-use-for-crl", "ca-key-used-for-crl", false, true},
};
constexpr const PurposeRow& row_of(Purpose purpose) {
  return kPurposes[static_cast<std::size_t>(purpose)];
}

// For what somebody opens a key.
struct Intent {
  Purpose purpose = Purpose::csr;
  std::string words;                  // what each leaf calls it: "csr", "signing a submission at tsb"
  Json more = Json::object();         // what each leaf says beside that
  std::vector<std::string> accepted;  // the flaws that the key may have: names of config::key_flaws()
};

struct KeyProof {
  Bytes nonce;
  Bytes message;    // what was signed: "hsmbridge key proof v1", a zero byte, the nonce, SHA-256 of the SPKI
  Bytes signature;  // as X.509 carries it
  std::string algorithm;
};

// A key that was opened for a purpose. Every signature keeps one order: the key is compared with its contract, the
// intent is durable, the key signs, the outcome is written down. Thread rule: may be called from several threads.
class KeySigner : public x509::Signer {
 public:
  // What the leaves call the use from the next signature on.
  virtual void say(std::string words) = 0;
  // sign(), where the leaves of this signature alone say `more` instead of what the intent says beside its words.
  virtual Bytes sign_saying(const Json& more, ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) = 0;
  // The default algorithm, over a domain-separated message that can be no certificate, CSR or CRL. Throws invalid_input
  // for a nonce of fewer than 16 octets, and what sign throws.
  virtual KeyProof prove(ByteView nonce) = 0;
};

}  // namespace hsmbridge::workflow
