#pragma once

#include "base/clock.h"
#include "config/settings.h"
#include "workflow/machine/order.h"
#include "workflow/ports/provider.h"
#include "workflow/ports/store.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

// The places a certificate goes to that need neither token nor provider. What a target says:
//   token                      beside the key, in the key's token, in the place of those that it renews; no other one
//                              there is touched
//   token:keep                 the same; those that it renews stay beside the key too
//   file:PATH                  PEM of the certificate and its issuers, without a self-signed root (as web servers want
//                              it)
//   file:leaf:PATH             PEM of the certificate alone
//   file:chain:PATH            PEM of its issuers, root included
//   file:{"path":"/x",…}       JSON: content full, leaf, chain or pkcs7 (PEM of a PKCS#7 bundle of everything, root
//                              included); order leaf-first or root-first; owner, group, mode ("0640")
//   hook:["/path/program","argument"]   a program, without a shell; the PEM is its standard input
//   provider:import            whatever the provider's side still wants (an import at the TSB)
namespace hsmbridge::service {

// Reads the text of a profile or of --install. Throws invalid_input naming the text: unknown kind, relative path,
// broken argv.
workflow::InstallTarget install_target(std::string_view text);

// The targets of a profile and those that were typed beside it, in their order; one that is named twice is there once.
// Throws refused for a typed hook that is not the profile's own.
std::vector<workflow::InstallTarget> install_targets(const config::ProfileSettings& profile,
                                                     const std::vector<std::string>& typed);

// Throws refused when the token takes no certificates and one shall go there: nobody should approve a certificate that
// cannot be put in its place.
void refuse_impossible_targets(const std::vector<workflow::InstallTarget>& targets, const config::TokenSettings& token);

// Throws refused for a target next to a key that is in no token here: of a CSR that was brought.
void refuse_token_target(const std::vector<workflow::InstallTarget>& targets);

// Throws refused for the target provider:import at a provider that takes no certificates.
void refuse_import(const std::vector<workflow::InstallTarget>& targets, const std::string& provider,
                   const workflow::Capabilities& can);

// Throws refused when the target is a hook, and another one than `configured` (the argv in this process's own
// configuration of the profile): an order from elsewhere never chooses what is run here.
void refuse_foreign_hook(const workflow::InstallTarget& target, const std::string& profile,
                         const std::vector<std::string>& configured);

// "token", "file", "hook" or "provider".
std::string_view kind_of(const workflow::InstallTarget& target);
// Of a "token" target: whether the certificates that this one renews stay beside the key.
bool keeps_predecessor(const workflow::InstallTarget& target);

// Which certificates of a record, and in which order.
enum class Selection {
  full,        // the certificate and its issuers, without a self-signed root at the end
  leaf,        // the certificate alone
  chain,       // its issuers, root included
  everything,  // certificate, issuers and root
};
enum class Sequence { leaf_first, root_first };
std::vector<Bytes> select(const workflow::CertificateRecord& record, Selection selection,
                          Sequence sequence = Sequence::leaf_first);
std::string pem_of(const std::vector<Bytes>& certificates);

// PEM, the certificate first, then its issuers; a self-signed root at the end is left out.
std::string full_chain_pem(const workflow::CertificateRecord& record);

// What a certificate in a file is to the one that shall take its place.
enum class Present {
  unknown,      // this bridge did not get it, as far as its store tells
  replaceable,  // it renews the new one or is renewed by it, however often; or it is superseded, expired or revoked
  in_use,       // this bridge got it for something else
};
// What the store knows of certificates, by the SHA-256 of their DER in hex.
struct KnownCertificates {
  std::function<Present(const std::string& fingerprint)> present;
  std::function<bool(const std::string& fingerprint)> is_issuer;  // one in the chain of one that this bridge got
};

// Writes the file of a "file:" target, in one step; links, access and what is refused: base/target_file.h. Running it
// again changes nothing. An existing file is replaced only when it is this bridge's own: its first certificate (in a
// bundle, or with the root first, any of them) is replaceable, or is for the same key and, where it is unknown, not
// valid from a later time on than the new one; in a file of issuers each is an issuer of one that this bridge got. A
// wrong path never destroys anything else. Throws conflict, denied, not_found for an owner that this machine does not
// know, unavailable.
void install_file(const workflow::InstallTarget& target, const workflow::CertificateRecord& record,
                  const KnownCertificates& known);

struct HookCall {
  RequestId request;
  unsigned attempt = 1;  // of this target; a hook may run twice and tells the runs apart by it
  std::string token;
  std::string key_uri;
};
// Runs the program of a "hook:" target with HSMBRIDGE_REQUEST, _ATTEMPT, _CERTIFICATE (SHA-256, hex), _SUBJECT,
// _SERIAL, _NOT_AFTER, _TOKEN and _KEY in its environment, the last two empty for a key that is in no token here.
// Throws refused, unavailable.
void install_hook(const workflow::InstallTarget& target, const workflow::CertificateRecord& record,
                  const HookCall& call, Duration time_limit);

}  // namespace hsmbridge::service
