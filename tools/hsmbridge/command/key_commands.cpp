#include "base/file.h"
#include "service/keys/keys.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/text/key.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "tools/hsmbridge/wiring/token_access.h"
#include "views/keys.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

namespace hsmbridge::cli {

namespace {

using commandline::Option;
using commandline::Positional;
using commandline::Times;

const Positional kKey{"KEY", "its label, id=HEX, or RFC 7512 URI"};

std::vector<Option> with_token(std::vector<Option> options) {
  const std::vector<Option> more = token_options();
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

service::NewKeys wanted_keys(const Arguments& arguments) {
  service::NewKeys wanted;
  wanted.spec = x509::parse_key_spec(arguments.text_or("--spec", "ec:P-256"));
  wanted.use = workflow::parse_key_use(arguments.text_or("--for", "sign"));
  const std::string label = arguments.required("--label");
  const long count = arguments.number("--count", 1, 10'000).value_or(1);
  if (!arguments.has("--count")) wanted.labels = {label};
  for (long i = 1; arguments.has("--count") && i <= count; ++i) wanted.labels.push_back(fmt::format("{}-{}", label, i));
  if (const auto id = arguments.text("--id")) {
    wanted.id = from_hex(*id);
    if (wanted.id->empty()) throw Error{ErrorKind::invalid_input, "--id is empty"};
  }
  return wanted;
}

void say_wishes(Output& output, const workflow::ContractReport& report) {
  std::string names;
  for (const workflow::ContractRow& row : report.rows) {
    if (row.verdict == workflow::Verdict::wish_not_granted) {
      names += (names.empty() ? "" : ", ") + row.half + " " + row.attribute;
    }
  }
  if (!names.empty()) output.note(fmt::format("the token did not grant: {} (key show says more)", names));
}

ExitCode generate(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  Output& output = invocation.output;
  const auto wanted = wanted_keys(arguments);
  CommandContext context(invocation);
  const auto ring = context.key_ring();
  const auto made = service::make_keys(*ring, context.log(), wanted);
  std::vector<workflow::KeyInfo> keys;
  for (const workflow::MadeKey& row : made) {
    keys.push_back(row.key);
    if (row.origin == workflow::MadeKey::Origin::adopted) {
      output.note(fmt::format("{} was made by an earlier run that did not finish", row.key.label));
    }
  }
  output.result("hsmbridge.key-generate/1", views::made_keys(ring->token(), made),
                arguments.has("--count") ? keys_text(keys) : key_text(keys.front()));
  say_wishes(output, made.front().contract);
  for (const workflow::KeyInfo& key : keys) {
    if (wanted.id || key.id.size() == workflow::kIdOctets) continue;
    output.note(fmt::format("the token keeps its own or a shorter CKA_ID: {} has id={}", key.label, hex(key.id)));
  }
  const std::string& label = keys.front().label;
  output.note(fmt::format("next: hsmbridge csr create{} --key {} --san dns:www.example.com --out {}",
                          token_words(arguments), shell_word(label), shell_word(label + ".csr")));
  return ExitCode::done;
}

void warn_of_forgotten(Output& output, workflow::Store& store, const std::string& token,
                       const std::vector<workflow::KeyInfo>& keys) {
  for (const auto& key : service::forgotten_keys(store, token, keys)) {
    const std::string id = hex(key.id);
    output.warning(
        fmt::format("{} (id={}) was made for a request that is over, and no request uses it: "
                    "`hsmbridge key delete --token {} id={}` destroys it, `hsmbridge enroll --key id={}` "
                    "uses it",
                    key.name, id, token, id, id));
  }
}

ExitCode list_keys(Invocation& invocation) {
  CommandContext context(invocation);
  const auto ring = context.key_ring();
  const auto keys = ring->list();
  invocation.output.result("hsmbridge.key-list/1", views::keys(ring->token(), keys),
                           keys.empty() ? "" : keys_text(keys));
  if (const auto store = context.store_that_is_there()) {
    warn_of_forgotten(invocation.output, *store, ring->token(), keys);
  }
  if (keys.empty()) {
    invocation.output.note(fmt::format("token {} holds no key; next: hsmbridge key generate{} --label NAME",
                                       ring->token(), token_words(invocation.arguments)));
  }
  return ExitCode::done;
}

ExitCode show_key(Invocation& invocation) {
  CommandContext context(invocation);
  const auto ring = context.key_ring();
  const auto view = service::view_key(*ring, context.log(), invocation.arguments.required("KEY"),
                                      invocation.arguments.has("--prove") ? service::Prove::yes : service::Prove::no);
  const auto& [key, attributes, report, proof] = view;
  std::string text = key_text(key) + "\n" + attributes_text(attributes, report);
  if (report.use == workflow::KeyUse::tls_client) {
    text += "\nmade for TLS client authentication (--for tls-client): it may do raw RSA, and is judged by that\n";
  }
  if (proof) {
    text += fmt::format("\nproved: the private half signed ({}) and the public half verified it\n", proof->algorithm);
  }
  invocation.output.result("hsmbridge.key/1", views::key(ring->token(), view), text);
  if (!report.standing.flaws.empty()) {
    std::string names;
    for (const std::string& flaw : report.standing.flaws) names += (names.empty() ? "" : ", ") + flaw;
    invocation.output.warning(fmt::format("{} is used only where these are accepted by name: {}", key.label, names));
  }
  if (report.violated()) {
    invocation.output.warning(fmt::format("{} is not as the key contract asks:\n{}", key.name, report.violations()));
  }
  return ExitCode::done;
}

ExitCode show_public(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  Output& output = invocation.output;
  const std::string format = arguments.text_or("--format", "pem");
  if (format != "pem" && format != "ssh" && format != "der") {
    throw Error{ErrorKind::invalid_input, fmt::format("there is no format \"{}\"", format)}.hint("pem, ssh or der");
  }
  CommandContext context(invocation);
  const auto ring = context.key_ring();
  const auto key = service::public_key(*ring, context.log(), arguments.required("KEY"));
  const Json json = views::public_key(key);
  const std::string content = format == "pem" ? json.at("pem").as_string()
                              : format == "ssh"
                                  ? fmt::format("{} {}\n", json.at("ssh").as_string(), commandline::safe(key.label))
                                  : to_text(key.spki);
  if (const auto file = arguments.text("--out")) {
    write_file(*file, as_bytes(content), FileMode::public_0644,
               arguments.has("--force") ? Existing::replace : Existing::refuse);
    output.result("hsmbridge.key-public/1", Json::object({{"file", *file}}), "");
  } else if (output.json()) {
    output.result("hsmbridge.key-public/1", json, "");
  } else if (format == "der" && output.stdout_is_terminal()) {
    throw Error{ErrorKind::invalid_input, "DER is not for a terminal"}.hint("give --out FILE");
  } else {
    output.raw(content);
  }
  return ExitCode::done;
}

ExitCode remove(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  CommandContext context(invocation);
  const auto ring = context.key_ring();
  auto key = ring->find(arguments.required("KEY"));
  if (!arguments.has("--force")) {
    const auto same = [&](const std::string& name) { return context.may_be_token(name, *ring); };
    if (const auto store = context.store_that_is_there()) service::refuse_in_use(*store, *ring, key, same);
    if (Wiring* const wiring = context.wiring()) service::refuse_authority_key(*wiring, *ring, key, same);
  }
  const bool certificates = arguments.has("--with-certificates");
  if (!arguments.has("--yes")) {
    const std::string question = fmt::format("{}Destroy this key{} in token {} permanently?", key_text(key),
                                             certificates ? " and its certificates" : "", ring->token());
    if (!commandline::confirm(invocation.output, question, "give --yes to destroy it without being asked")) {
      throw Error{ErrorKind::refused, "not confirmed, nothing was destroyed"};
    }
  }
  key = service::destroy_key(*ring, context.log(), std::move(key),
                             certificates ? workflow::WithCertificates::destroy : workflow::WithCertificates::keep);
  invocation.output.result(
      "hsmbridge.key/1", views::destroyed_key(ring->token(), key),
      fmt::format("destroyed {} (id {}) in token {}\n", key.name, hex(key.id), commandline::safe(ring->token())));
  return ExitCode::done;
}

}  // namespace

std::vector<Command> key_commands() {
  const std::vector<ExitCode> exits = {ExitCode::failed, ExitCode::refused, ExitCode::unavailable};
  return {
      {"key",
       "generate",
       "Make a key pair in the token",
       with_token({{"--label", "LABEL", "the new key's label; one that is taken is refused", Times::required},
                   {"--spec", "KIND", "ec:P-256 (default), ec:P-384, ec:P-521, ed25519, rsa:2048 … rsa:8192"},
                   {"--for", "USE", "sign (default), or tls-client: it also logs in to a provider (client_key)"},
                   {"--id", "HEX", "the CKA_ID; else 16 random bytes"},
                   {"--count", "N", "make N keys: LABEL-1 … LABEL-N"}}),
       {},
       generate,
       exits,
       "The key can sign and nothing else, and never leaves the token. Afterwards every\n"
       "attribute is read back; a key that is not as asked is destroyed.\n\n"
       "An RSA key that authenticates TLS connections (client_key of a provider) is made with\n"
       "--for tls-client: TLS 1.3 signs with PSS, for which OpenSSL's bridge to the token asks\n"
       "for raw RSA. Raw RSA signing is raw decryption too, so no other key is allowed it;\n"
       "without it such a key does TLS 1.2 only. EC keys need no such permission.\n"},
      {"key", "list", "List the keys of a token", with_token({}), {}, list_keys, exits, ""},
      {"key",
       "show",
       "Show a key: every attribute, and what the contract asked",
       with_token({{"--prove", "", "let the token sign a nonce and verify it"}}),
       {kKey},
       show_key,
       exits,
       ""},
      {"key",
       "public",
       "Print the public key",
       with_token({{"--format", "FORMAT", "pem (default), ssh or der"},
                   {"--out", "FILE", "write it there"},
                   {"--force", "", "replace the file"}}),
       {kKey},
       show_public,
       exits,
       ""},
      {"key",
       "delete",
       "Destroy a key, both halves",
       with_token({{"--with-certificates", "", "its certificates too"},
                   {"--yes", "", "do not ask; required without a terminal"},
                   {"--force", "", "also when the records say that a certificate or an open request needs it"}}),
       {kKey},
       remove,
       exits,
       ""},
  };
}

}  // namespace hsmbridge::cli
