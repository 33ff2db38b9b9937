#include "tools/hsmbridge/wiring/wiring.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "base/trust.h"
#include "net/transport.h"
#include "pkcs11/key_ring.h"
#include "pkcs11/token/module.h"
#include "pkcs11/token/token_thread.h"
#include "pkcs11/token_device.h"
#include "pkcs11/workflow_token.h"
#include "service/requests/approval_terms.h"
#include "service/requests/requests.h"
#include "tools/hsmbridge/wiring/local.h"
#include "tools/hsmbridge/wiring/process.h"
#include "tools/hsmbridge/wiring/providers.h"
#include "tools/hsmbridge/wiring/refusals.h"
#include "tools/hsmbridge/wiring/token_access.h"
#include "x509/judge/weak_key_list.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem_file.h"
#include "x509/objects/spki.h"

#include <fcntl.h>
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
constexpr Duration kBesideOneKey = std::chrono::seconds{30};  // of the keys that are made under one lock
constexpr Duration kLoadDeadline = std::chrono::seconds{10};
constexpr Duration kPromptDeadline = std::chrono::minutes{5};
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

// Whether that worker was a process of this machine and is no more. False when in doubt. One that had our number is: a
// process has one engine at a time, and after a restart of a container numbers come again.
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
  return process == ::getpid() || (::kill(process, 0) != 0 && errno == ESRCH);
}

// For as long as the process: a provider that a hanging token makes too late outlives the Wiring.
const Clock* clock_of_process() {
  static const auto* const clock = new SystemClock;
  return clock;
}

// A person may be asked for a PIN meanwhile.
Duration check_deadline(const config::Settings& settings) {
  const bool asks = std::any_of(settings.tokens.begin(), settings.tokens.end(), [](const config::TokenSettings& token) {
    return token.pin && token.pin->kind() == config::SecretSource::Kind::prompt;
  });
  return asks && ::isatty(STDIN_FILENO) != 0 ? kPromptDeadline : kLoadDeadline;
}

// Throws when this process could never log in to the token: its module cannot be loaded, or its PIN cannot be read. A
// token that is merely not plugged in is worked for: its effects wait until it is back.
void check_token(const config::TokenSettings& token) {
  pkcs11::Module::load(token.module);
  using Kind = config::SecretSource::Kind;
  if (!token.pin) throw Error{ErrorKind::invalid_input, "no pin is configured"};
  if (token.pin->kind() == Kind::protected_path) return;
  if (token.pin->kind() == Kind::prompt) {
    if (::isatty(STDIN_FILENO) == 0) throw Error{ErrorKind::denied, "its PIN must be typed and there is no terminal"};
    return;
  }
  token.pin->fetch({}, "the PIN of token " + token.name);
}

void add_people(const config::Settings& settings, ProviderNeeds& needs) {
  for (const auto& person : settings.people) {
    try {
      if (person.spki) needs.people.push_back(x509::spki_hash(from_base64(*person.spki)));
      if (person.public_key)
        needs.people.push_back(
            x509::spki_hash(x509::key_of_person_in_file(*person.public_key, x509::Given::to_be_believed)));
    } catch (const Error& error) {
      needs.unread_people.push_back(
          fmt::format("{} ({}{}{})", person.name, error.message(), error.hint().empty() ? "" : ": ", error.hint()));
    }
  }
}

std::vector<Bytes> anchors_of(const config::Settings& settings, const std::string& profile) {
  std::vector<Bytes> anchors;
  for (const auto& file : settings.profile(profile).anchors) {
    auto bundle = x509::bundle_in_file(file, x509::Given::to_be_believed);
    for (auto& der : bundle.certificates) anchors.push_back(std::move(der));
  }
  return anchors;
}

}  // namespace

Wiring::Wiring(config::Settings settings)
    : settings_(std::make_shared<const config::Settings>(std::move(settings))),
      authorities_(std::make_shared<const std::vector<NamedAuthority>>(named_authorities(*settings_))),
      clock_(clock_of_process()),
      actor_(actor_of_process()),
      stores_(std::make_shared<Stores>(settings_, *clock_)) {}

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

void Wiring::only_look_at_refusals() {
  const std::lock_guard lock(mutex_);
  if (stores_->configured()) refusals_ = std::make_shared<StorePinRefusals>(stores_, StorePinRefusals::Access::look);
}

std::shared_ptr<pkcs11::PinRefusals> Wiring::refusals() {
  const std::lock_guard lock(mutex_);
  if (!refusals_) {
    if (stores_->configured()) {
      refusals_ = std::make_shared<StorePinRefusals>(stores_, StorePinRefusals::Access::work);
    } else {
      refusals_ = std::make_shared<pkcs11::FilePinRefusals>(pkcs11::FilePinRefusals::default_folder());
    }
  }
  return refusals_;
}

Wiring::Tokens::Tokens(const config::Settings& settings, std::shared_ptr<pkcs11::PinRefusals> refusals)
    : refusals_(std::move(refusals)) {
  for (const auto& token : settings.tokens) {
    auto& access = tokens_[token.name].first;
    access = token_access(token);
    access.making_wait = token.deadline.value_or(kTokenDeadline) + kBesideOneKey;
  }
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
  if (!tokens_) tokens_ = std::make_shared<Tokens>(*settings_, memory);
  return tokens_;
}

std::shared_ptr<pkcs11::Token> Wiring::pkcs11_token(const std::string& name) {
  return tokens()->open(settings_->token(name).name);
}

std::unique_ptr<workflow::TokenDevice> Wiring::token_device(const std::string& name) {
  return pkcs11::token_device(pkcs11_token(name));
}

std::unique_ptr<workflow::TokenModule> Wiring::token_module(const std::filesystem::path& path) {
  return pkcs11::token_module(path, [this] { return refusals(); });
}

std::unique_ptr<workflow::KeyRing> Wiring::key_ring(const std::string& name) {
  return pkcs11::key_ring(pkcs11_token(name));
}

std::shared_ptr<workflow::Token> Wiring::token(const std::string& name) {
  const auto& settings = settings_->token(name);
  const auto all = tokens();
  const std::lock_guard lock(mutex_);
  auto& token = workflow_tokens_[settings.name];
  if (!token) token = workflow_token(settings, all, recorder());
  return token;
}

std::shared_ptr<pkcs11::WorkflowToken> Wiring::workflow_token(const config::TokenSettings& settings,
                                                              const std::shared_ptr<Tokens>& all,
                                                              const workflow::RecordFact& record) {
  return std::make_shared<pkcs11::WorkflowToken>(
      settings.name, [all, of = settings.name] { return all->open(of); }, record,
      settings.deadline.value_or(kTokenDeadline), settings.sessions);
}

std::shared_ptr<workflow::Provider> Wiring::provider(const std::string& name) {
  return provider_maker(name)();
}

std::function<std::shared_ptr<workflow::Provider>()> Wiring::provider_maker(const std::string& name) {
  const auto& provider = settings_->provider(name);
  auto needs = provider_needs();
  const std::lock_guard lock(mutex_);
  auto& once = providers_[provider.name];
  if (!once) once = std::make_shared<Once<workflow::Provider>>();
  return [once, settings = settings_, &provider, needs = std::move(needs)] {
    // Making it may open the token of its keys.
    const std::unique_lock making(once->mutex, check_deadline(*settings));
    if (!making) {
      throw Error{ErrorKind::unavailable, fmt::format("provider {} is being made, and a token that it needs does not "
                                                      "answer",
                                                      provider.name)}
          .hint("look at the HSM and its connection");
    }
    if (!once->made) once->made = provider_type(provider).make(provider, needs);
    return once->made;
  };
}

void Wiring::record(std::string_view kind, const Json& facts) {
  recorder()(kind, facts);
}

// Where no store is configured there is no audit log, and no request that a provider could work for either. A
// `provider test` may still log in with a key: then it is said that this is written down nowhere.
workflow::RecordFact Wiring::recorder() const {
  return [stores = stores_, clock = clock_, actor = actor_.name, told = no_log_told_](std::string_view kind,
                                                                                      const Json& facts) {
    if (!stores->configured()) {
      std::call_once(*told, [] { log::warning("no store is configured, so this use of a key is in no audit log"); });
      return;
    }
    stores->lent().append_audit(std::string(kind), facts.dump(), actor, clock->now());
  };
}

ProviderNeeds Wiring::provider_needs() {
  ProviderNeeds needs{*clock_,
                      [all = tokens(), settings = settings_](const std::string& token) {
                        return all->open(settings->token(token).name);
                      },
                      recorder()};
  needs.workflow_token = [all = tokens(), settings = settings_, record = recorder()](const std::string& token) {
    return workflow_token(settings->token(token), all, record);
  };
  needs.store = [stores = stores_]() -> workflow::Store& { return stores->lent(); };
  needs.other = [settings = settings_](const std::string& name) -> const config::ProviderSettings& {
    return settings->provider(name);
  };
  needs.cas_at = [settings = settings_](const std::string& keeper) {
    std::vector<const config::ProviderSettings*> cas;
    for (const auto& one : settings->providers) {
      if (one.key_at && one.key_at->provider == keeper) cas.push_back(&one);
    }
    return cas;
  };
  needs.authorities = authorities_;
  // A profile that is not in the configuration any more, or a file that cannot be read now, may be there again.
  needs.anchors = [settings = settings_](const workflow::Order& order) {
    try {
      return anchors_of(*settings, order.profile);
    } catch (const Error& error) {
      throw Error{ErrorKind::unavailable, error.message()}.hint(error.hint());
    }
  };
  add_people(*settings_, needs);
  return needs;
}

std::vector<Bytes> Wiring::anchors(const workflow::Order& order) {
  std::vector<Bytes> anchors;
  for (const auto& file : settings_->profile(order.profile).anchors) {
    auto bundle = x509::bundle_in_file(file, x509::Given::to_be_believed);
    for (auto& der : bundle.certificates) anchors.push_back(std::move(der));
    const std::lock_guard lock(mutex_);
    for (const auto& skipped : bundle.skipped) {
      auto words = fmt::format("trust anchors {}: left out: {}", file.string(), skipped);
      if (told_.insert(words).second) log::warning(words);
    }
  }
  return anchors;
}

const x509::WeakKeyList& Wiring::weak_keys() {
  // Debian's lists of CVE-2008-0166 have 5 MB each.
  constexpr std::size_t kMost = std::size_t{256} << 20U;
  const std::lock_guard lock(weak_keys_mutex_);
  if (!weak_keys_) {
    auto lists = std::make_shared<x509::WeakKeyList>();
    for (const auto& file : settings_->weak_keys) {
      lists->add(as_text(read_trusted(file, kBelieved, kMost)), file.string());
    }
    weak_keys_ = std::move(lists);
  }
  return *weak_keys_;
}

std::vector<std::string> Wiring::hook_of(const std::string& profile) {
  for (const auto& one : settings_->profiles) {
    if (one.name == profile) return one.install.hook;
  }
  return {};
}

namespace {

// Once for each text that the file had: whoever changed it may have forgotten that it is to be read.
void tell_changed(const std::filesystem::path& file, const Bytes& now) {
  static std::mutex mutex;
  static std::set<Bytes> told;
  const std::lock_guard lock(mutex);
  if (!told.insert(now).second) return;
  log::warning(
      fmt::format("{} was changed since it was read: no certificate is submitted before it is read again "
                  "(systemctl reload hsmbridge)",
                  file.string()));
}

}  // namespace

// A process that runs for months must not release what the people that are named now would not.
void Wiring::expect_configuration_as_read() const {
  if (settings_->file.empty() || settings_->is_read_once) return;
  const Bytes now = config::Document::sha256_of(settings_->file);
  if (now == settings_->sha256) return;
  tell_changed(settings_->file, now);
  throw Error{
      ErrorKind::unavailable,
      fmt::format("{} was changed since this process read it, and says who releases what", settings_->file.string())}
      .hint(
          "let it be read again: systemctl reload hsmbridge, or SIGHUP to `hsmbridge run`; any other command: start it "
          "again");
}

// Also of an order that wants nobody's word: what its profile and its provider want may be what was changed.
service::ReleaseTerms Wiring::release_terms(const workflow::Order& order) {
  expect_configuration_as_read();
  auto terms = service::release_terms_of(*settings_, settings_->profile(order.profile), order.provider);
  terms.requesters = service::requesters_of(*settings_, order);
  return terms;
}

std::function<void()> Wiring::lane_check(const std::string& lane) {
  const auto name = lane.substr(lane.find(':') + 1);
  const bool is_token = lane.starts_with("token:");
  std::function<void()> check;
  if (is_token) {
    check = [settings = settings_, &token = settings_->token(name)] { check_token(token); };
  } else {
    check = [make = provider_maker(name)] { make(); };
  }
  const std::lock_guard lock(mutex_);
  auto& thread = lane_threads_[lane];
  if (!thread) thread = std::make_shared<pkcs11::TokenThread>(is_token ? name : "of provider " + name);
  return [thread, check = std::move(check), limit = check_deadline(*settings_)] {
    thread->call(limit, pkcs11::WhenLate::unavailable, check);
  };
}

workflow::EngineOptions Wiring::engine_options(const std::vector<RequestId>& only, const std::function<void()>& alive) {
  if (stores_->configured()) store()->end_leases(is_gone);
  workflow::EngineOptions options;
  options.worker = worker_name();
  options.only = only;
  options.lanes["local"] = kLocalPlaces;
  std::vector<service::LeftOut> left_out;
  const auto work_in = [&](const std::string& lane, unsigned places, std::optional<Duration> limit) {
    if (alive) alive();
    try {
      lane_check(lane)();
      options.lanes[lane] = places;
      if (limit) options.limits[lane] = *limit;
    } catch (const Error& error) {
      left_out.push_back({lane, error.message()});
    }
  };
  for (const auto& token : settings_->tokens) {
    work_in("token:" + token.name, token.sessions, kTokenCalls * token.deadline.value_or(kTokenDeadline));
  }
  options.calls_of_this_thread = net::exchanges_of_this_thread;
  for (const auto& settings : settings_->providers) {
    work_in("provider:" + settings.name, settings.concurrency, settings.time_limit);
    if (settings.calls_per_minute) options.per_minute[settings.name] = *settings.calls_per_minute;
    options.timing[settings.name] = service::timing_of(settings);
  }
  const std::lock_guard lock(mutex_);
  left_out_ = std::move(left_out);
  return options;
}

std::vector<service::LeftOut> Wiring::left_out() {
  const std::lock_guard lock(mutex_);
  return left_out_;
}

std::function<bool()> Wiring::left_out_look() {
  std::vector<std::function<void()>> checks;
  for (const auto& one : left_out()) checks.push_back(lane_check(one.lane));
  return [checks = std::move(checks)] {
    return std::any_of(checks.begin(), checks.end(), [](const std::function<void()>& check) {
      try {
        check();
        return true;
      } catch (const Error&) {
        return false;  // as before; why is said once, at the start
      }
    });
  };
}

}  // namespace hsmbridge::cli
