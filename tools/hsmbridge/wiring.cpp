#include "tools/hsmbridge/wiring.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "pkcs11/module.h"
#include "pkcs11/token_thread.h"
#include "pkcs11/workflow_token.h"
#include "service/requests.h"
#include "store/sqlite_store.h"
#include "tools/hsmbridge/token_access.h"
#include "tools/hsmbridge/wiring_providers.h"
#include "tools/hsmbridge/wiring_refusals.h"
#include "x509/certificate.h"
#include "x509/pem.h"
#include "x509/spki.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

namespace hsmbridge::cli {

namespace {

constexpr Duration kTokenDeadline = std::chrono::minutes{2};  // an RSA-8192 key takes a slow token that long
constexpr Duration kLoadDeadline = std::chrono::seconds{10};
// Opening a key and signing with it are calls with a deadline each. The lane's limit, and with it the lease, outlasts
// both: a second worker that claims a key's birth while the first still waits for the token would make the key twice.
constexpr int kTokenCalls = 2;
constexpr unsigned kLocalPlaces = 2;

// HOST/PID/NAMESPACE-RANDOM: who holds a lease, readable in the journal. The namespace is that of the process ids:
// in a container of the same host name the same number is another process.
std::string worker_prefix() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return fmt::format("{}/", host.data());
}
std::string pid_namespace() {
  struct stat status {};
  if (::stat("/proc/self/ns/pid", &status) != 0) return "0";
  return fmt::format("{:x}", static_cast<unsigned long>(status.st_ino) & 0xFFFFFFU);
}
std::string worker_name() {
  return fmt::format("{}{}/{}-{}", worker_prefix(), ::getpid(), pid_namespace(), hex(random_bytes(4)));
}

// Whether that worker was a process of this machine and is no more. False when in doubt.
bool is_gone(const std::string& worker) {
  const auto prefix = worker_prefix();
  if (!worker.starts_with(prefix)) return false;
  const auto slash = worker.find('/', prefix.size());
  if (slash == std::string::npos || !std::string_view(worker).substr(slash + 1).starts_with(pid_namespace() + "-")) {
    return false;
  }
  pid_t process = 0;
  const char* end = worker.data() + slash;
  const auto [stop, failure] = std::from_chars(worker.data() + prefix.size(), end, process);
  if (failure != std::errc{} || stop != end || process <= 0) return false;
  return ::kill(process, 0) != 0 && errno == ESRCH;
}

// On a thread of its own: a module that hangs in C_Initialize must not keep the others from being worked for. Its own
// calls run into their deadlines.
void load_module(const config::TokenSettings& token) {
  pkcs11::TokenThread thread(token.name);
  try {
    thread.call(kLoadDeadline, pkcs11::WhenLate::outcome_unknown,
                [path = token.module] { pkcs11::Module::load(path); });
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::outcome_unknown) throw;
  }
}

// Throws when this process could never log in to the token: its module cannot be loaded, or its PIN cannot be read. A
// token that is merely not plugged in is worked for: its effects wait until it is back.
void check_token(const config::TokenSettings& token) {
  load_module(token);
  using Kind = config::SecretSource::Kind;
  if (!token.pin) throw Error{ErrorKind::invalid_input, "no pin is configured"};
  if (token.pin->kind() == Kind::protected_path) return;
  if (token.pin->kind() == Kind::prompt) {
    if (::isatty(STDIN_FILENO) == 0) throw Error{ErrorKind::denied, "its PIN must be typed and there is no terminal"};
    return;
  }
  token.pin->fetch({}, "the PIN of token " + token.name);
}

std::vector<SpkiHash> keys_of_people(const config::Settings& settings) {
  std::vector<SpkiHash> keys;
  for (const auto& person : settings.people) {
    try {
      if (person.spki) keys.push_back(x509::spki_hash(from_base64(*person.spki)));
      if (person.public_key) keys.push_back(x509::spki_hash(x509::read_key_of_person(read_file(*person.public_key))));
    } catch (const Error& error) {
      log::warning(fmt::format("the public key of {} cannot be read: {}", person.name, error.message()));
    }
  }
  return keys;
}

}  // namespace

std::vector<Bytes> read_anchors(const std::filesystem::path& file) {
  const Bytes content = read_file(file);
  try {
    auto ders = x509::read_certificates(content);
    // A PKCS#7, a PKCS#12 and a private key are DER too.
    for (const Bytes& der : ders) x509::parse_certificate(der);
    return ders;
  } catch (Error& error) {
    throw error.prefix(fmt::format("trust anchors {}", file.string()));
  }
}

Wiring::Wiring(config::Settings settings) : settings_(std::move(settings)) {}

Wiring::~Wiring() = default;

std::unique_ptr<Wiring> Wiring::open(const std::optional<std::filesystem::path>& config) {
  const auto file = config::find_file(config);
  if (!file) {
    throw Error{ErrorKind::not_found, "there is no configuration"}.hint(
        "name one with --config FILE or HSMBRIDGE_CONFIG, or write ~/.config/hsmbridge/hsmbridge.yaml; "
        "`scripts/quickstart` makes one to begin with");
  }
  return std::unique_ptr<Wiring>(new Wiring(config::read_settings(*file, provider_readers())));
}

std::unique_ptr<workflow::Store> Wiring::store() {
  if (!settings_.store.path) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("{}: no store is configured, and requests live in one", settings_.file.string())}
        .hint("add  store: {path: /var/lib/hsmbridge/hsmbridge.db}");
  }
  return store::SqliteStore::open(*settings_.store.path, clock_);
}

std::shared_ptr<pkcs11::PinRefusals> Wiring::refusals() {
  const std::lock_guard lock(mutex_);
  if (!refusals_) {
    if (settings_.store.path) {
      refusals_ = std::make_shared<StorePinRefusals>(*settings_.store.path);
    } else {
      refusals_ = std::make_shared<pkcs11::FilePinRefusals>(pkcs11::FilePinRefusals::default_folder());
    }
  }
  return refusals_;
}

Wiring::Tokens::Tokens(const config::Settings& settings, std::shared_ptr<pkcs11::PinRefusals> refusals)
    : refusals_(std::move(refusals)) {
  for (const auto& token : settings.tokens) tokens_[token.name].first = token_access(token);
}

std::shared_ptr<pkcs11::Token> Wiring::Tokens::open(const std::string& name) {
  auto& [access, token] = tokens_.at(name);
  const std::lock_guard lock(token.mutex);
  if (!token.made) token.made = pkcs11::Token::open(access, refusals_);
  return token.made;
}

std::shared_ptr<Wiring::Tokens> Wiring::tokens() {
  const auto memory = refusals();
  const std::lock_guard lock(mutex_);
  if (!tokens_) tokens_ = std::make_shared<Tokens>(settings_, memory);
  return tokens_;
}

std::shared_ptr<pkcs11::Token> Wiring::pkcs11_token(const std::string& name) {
  return tokens()->open(settings_.token(name).name);
}

std::shared_ptr<workflow::Token> Wiring::token(const std::string& name) {
  const auto& settings = settings_.token(name);
  const auto all = tokens();
  const std::lock_guard lock(mutex_);
  auto& token = workflow_tokens_[settings.name];
  if (!token) {
    token = std::make_shared<pkcs11::WorkflowToken>(
        settings.name, [all, of = settings.name] { return all->open(of); }, settings.deadline.value_or(kTokenDeadline),
        settings.sessions);
  }
  return token;
}

std::shared_ptr<workflow::Provider> Wiring::provider(const std::string& name) {
  const auto& settings = settings_.provider(name);
  auto& provider = [&]() -> Once<workflow::Provider>& {
    const std::lock_guard lock(mutex_);
    return providers_[settings.name];
  }();
  // Making it may open the token of its keys.
  const std::lock_guard lock(provider.mutex);
  if (!provider.made) provider.made = provider_type(settings).make(settings, provider_needs());
  return provider.made;
}

// Where no store is configured there is no audit log, and no request that a provider could work for either.
void Wiring::record(std::string_view kind, const Json& facts) {
  if (!settings_.store.path) return;
  store()->append_audit(std::string(kind), facts.dump(), service::actor_of_process(), clock_.now());
}

ProviderNeeds Wiring::provider_needs() {
  return {clock_, [this](const std::string& token) { return pkcs11_token(token); },
          [this](std::string_view kind, const Json& facts) { record(kind, facts); }, keys_of_people(settings_)};
}

std::vector<Bytes> Wiring::anchors(const workflow::Order& order) {
  std::vector<Bytes> anchors;
  for (const auto& file : settings_.profile(order.profile).anchors) {
    for (auto& der : read_anchors(file)) anchors.push_back(std::move(der));
  }
  return anchors;
}

std::optional<workflow::CertificateRecord> Wiring::certificate(const std::string& fingerprint) {
  return store()->certificate(fingerprint);
}

bool Wiring::is_issuer(const std::string& fingerprint) {
  const auto records = store()->certificates();
  return std::any_of(records.begin(), records.end(), [&fingerprint](const workflow::CertificateRecord& record) {
    return std::any_of(record.chain.begin(), record.chain.end(),
                       [&fingerprint](const Bytes& der) { return hex(sha256(der)) == fingerprint; });
  });
}

void Wiring::check_lane(const std::string& lane) {
  const auto colon = lane.find(':');
  const auto name = lane.substr(colon + 1);
  if (lane.starts_with("token:")) {
    check_token(settings_.token(name));
  } else {
    provider(name);
  }
}

workflow::EngineOptions Wiring::engine_options(const std::vector<RequestId>& only) {
  if (settings_.store.path) store::SqliteStore::open(*settings_.store.path, clock_)->end_leases(is_gone);
  workflow::EngineOptions options;
  options.worker = worker_name();
  options.only = only;
  options.lanes["local"] = kLocalPlaces;
  std::vector<LeftOut> left_out;
  const auto work_in = [&](const std::string& lane, unsigned places, std::optional<Duration> limit) {
    try {
      check_lane(lane);
      options.lanes[lane] = places;
      if (limit) options.limits[lane] = *limit;
    } catch (const Error& error) {
      left_out.push_back({lane, error.message()});
    }
  };
  for (const auto& token : settings_.tokens) {
    work_in("token:" + token.name, token.sessions, kTokenCalls * token.deadline.value_or(kTokenDeadline));
  }
  for (const auto& settings : settings_.providers) {
    work_in("provider:" + settings.name, settings.concurrency, settings.time_limit);
    if (settings.calls_per_minute) options.per_minute[settings.name] = *settings.calls_per_minute;
    options.timing[settings.name] = service::timing_of(settings);
  }
  const std::lock_guard lock(mutex_);
  left_out_ = std::move(left_out);
  return options;
}

std::vector<Wiring::LeftOut> Wiring::left_out() {
  const std::lock_guard lock(mutex_);
  return left_out_;
}

bool Wiring::left_out_changed() {
  for (const auto& one : left_out()) {
    try {
      check_lane(one.lane);
      return true;
    } catch (const Error&) {
      // As before; why is said once, at the start.
    }
  }
  return false;
}

}  // namespace hsmbridge::cli
