#include "support/bench/bench.h"

#include "base/file.h"
#include "base/json.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace hsmbridge::test {

namespace {

namespace fs = std::filesystem;
constexpr const char* kPeople[] = {"alice", "bob", "carol"};

// A bounded wait for a real process, never for a time that something is hoped to take.
void pause_briefly() {
  const timespec pause{0, 10'000'000};
  ::nanosleep(&pause, nullptr);
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (auto& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

void must(const CliResult& result, const std::string& what) {
  if (result.status != 0) throw std::runtime_error(what + ": " + result.err + result.out);
}

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = std::min(text.find('\n', begin), text.size());
    if (end > begin) lines.push_back(Json::parse(std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

Process::Process(const Cli& cli, std::vector<std::string> argv,
                 const std::map<std::string, std::string>& more_environment) {
  auto all = cli.environment();
  for (const auto& [name, value] : more_environment) all[name] = value;
  std::vector<std::string> environment;
  for (const auto& [name, value] : all) environment.push_back(name + "=" + value);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addchdir_np(&actions, cli.folder().c_str());
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "process.out", O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "process.err", O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int failure = ::posix_spawnp(&pid_, argv.front().c_str(), &actions, nullptr, pointers(argv).data(),
                                     pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw std::runtime_error("cannot start " + argv.front());
}

Process::~Process() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
}

void Process::signal(int number) const {
  ::kill(pid_, number);
}

bool Process::running() {
  if (!ended_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
  return !ended_;
}

void Process::run_for(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (running() && std::chrono::steady_clock::now() < end) pause_briefly();
}

int Process::wait(std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (running()) {
    if (std::chrono::steady_clock::now() > end) {
      ::kill(pid_, SIGKILL);
      throw std::runtime_error("a process ran longer than it may");
    }
    pause_briefly();
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

Bench::Bench(const BenchOptions& options) : options_(options) {
  cli_.make_token("web");
  const auto module = Cli::module().string();
  std::string tokens = "tokens:\n  web: {module: " + module +
                       ", uri: \"pkcs11:token=web\", pin: \"file:" + (cli_ / "web.pin").string() + "\"}\n";
  std::string people = "people:\n";
  std::string approvers;
  std::vector<std::string> create{"tsb", "create-ca", "--label", "ca-key", "--subject", "CN=Test Issuing CA"};
  if (options.quorum == 0) {
    create.push_back("--no-approval");
  } else {
    create.insert(create.end(), {"--group", "operators", "--quorum", std::to_string(options.quorum)});
    for (const std::string name : kPeople) {
      cli_.make_token(name);
      tokens += "  " + name + ": {module: " + module + ", uri: \"pkcs11:token=" + name +
                "\", pin: \"file:" + (cli_ / (name + ".pin")).string() + "\"}\n";
      must(run(cli_.on(name, {"key", "generate", "--label", "approver", "--spec", "ec:P-256"})), "key generate");
      const auto key = run(cli_.on(name, {"key", "public", "approver"}));
      must(key, "key public");
      cli_.write(name + ".pem", key.out);
      people += "  " + name + ": {token: " + name + ", key: approver}\n";
      approvers += (approvers.empty() ? "" : ", ") + name + ": " + (cli_ / (name + ".pem")).string();
      create.insert(create.end(), {"--approver", name + "=" + name + ".pem"});
    }
  }
  create.insert(create.end(), options.create.begin(), options.create.end());
  start_rig();
  must(rig(create), "create-ca");
  const auto about = Json::parse(cli_.read("rig/tsb.json"));
  const auto key_file = [&](const std::string& role) {
    const auto& key = about.at("api_keys").at(role + "Token").as_array().at(0).as_string();
    return "\"file:" + cli_.write(role + ".key", key + "\n").string() + "\"";
  };
  const auto issuer = (cli_ / "rig/ca-key.pem").string();
  std::string text = "store: {path: " + (cli_ / "hsmbridge.db").string() + "}\n" + tokens;
  text += "providers:\n  tsb:\n    type: securosys-tsb\n    url: " + about.at("url").as_string() +
          "\n    ca: " + (cli_ / "rig/ca.pem").string() +
          "\n    api_keys: {key_operation: " + key_file("keyOperation") +
          ", key_management: " + key_file("keyManagement") + ", approver: " + key_file("approver") +
          ", service: " + key_file("service") + "}\n    sign_key: ca-key\n    issuer: " + issuer +
          "\n    time_limit: 2s\n    settle: 1s\n    poll_first: 200ms\n    poll_longest: 500ms\n";
  if (!approvers.empty()) text += "    approvers: {" + approvers + "}\n";
  text += options.provider;
  text +=
      "profiles:\n  server:\n    provider: tsb\n    token: web\n    key: \"ec:P-256\"\n"
      "    subject: [{C: CH}, {O: Example}]\n    usage: [digitalSignature]\n    extended_usage: [serverAuth]\n"
      "    validity: 90d\n    anchors: [" +
      issuer + "]\n" + options.profile;
  if (options.profile.find("install:") == std::string::npos) text += "    install: {token: true}\n";
  if (options.quorum > 0) text += people;
  cli_.write(".config/hsmbridge/hsmbridge.yaml", text);
}

Bench::~Bench() {
  stop_rig();
}

void Bench::wait_for_words(const std::string& words) const {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes{1};
  while (cli_.read("process.err").find(words) == std::string::npos) {
    if (std::chrono::steady_clock::now() > end) {
      throw std::runtime_error("nobody said '" + words + "': " + cli_.read("process.err"));
    }
    pause_briefly();
  }
}

void Bench::start_rig() {
  std::vector<std::string> argv{HSMBRIDGE_RIG, "serve", "tsb", "--dir", "rig", "--allow-short-times"};
  if (cli_.exists("rig/tsb.json")) {
    // The address in the configuration stays; the file is how the new process says that it listens.
    const auto before = Json::parse(cli_.read("rig/tsb.json"));
    argv.insert(argv.end(), {"--port", std::to_string(before.at("port").as_integer())});
    fs::remove(cli_ / "rig/tsb.json");
  }
  argv.insert(argv.end(), options_.serve.begin(), options_.serve.end());
  rig_ = std::make_unique<Process>(cli_, argv, std::map<std::string, std::string>{});
  for (int i = 0; i < 3000 && !cli_.exists("rig/tsb.json"); ++i) {
    if (!rig_->running()) throw std::runtime_error("the simulator did not start: " + cli_.read("process.err"));
    pause_briefly();
  }
}

void Bench::stop_rig() {
  if (!rig_) return;
  rig_->signal(SIGTERM);
  rig_->wait();
  rig_.reset();
}

void Bench::restart_rig() {
  stop_rig();
  start_rig();
}

CliResult Bench::rig(std::vector<std::string> words) const {
  words.insert(words.begin(), HSMBRIDGE_RIG);
  words.insert(words.end(), {"--dir", "rig"});
  return cli_.other(words);
}

std::string Bench::id_in(const CliResult& result) {
  const auto& text = result.out;
  if (text.size() < 16 || text.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ") != 16) {
    throw std::runtime_error("no request id in: " + text + result.err);
  }
  return text.substr(0, 16);
}

std::vector<std::string> Bench::tasks_of(const std::string& person) const {
  const auto listed = run({"--json", "approval", "list", "--as", person});
  must(listed, "approval list");
  std::vector<std::string> tasks;
  const auto answer = listed.json();
  for (const auto& task : answer.at("tasks").as_array()) tasks.push_back(task.at("task").as_string());
  return tasks;
}

unsigned Bench::approve_all(const std::string& person) const {
  unsigned count = 0;
  const auto listed = run({"--json", "approval", "list", "--as", person});
  must(listed, "approval list");
  const auto answer = listed.json();
  for (const auto& task : answer.at("tasks").as_array()) {
    must(run({"approval", "accept", "--as", person, task.at("task").as_string(), "--sha256",
              task.at("payload_sha256").as_string(), "--yes"}),
         "approval accept");
    ++count;
  }
  return count;
}

std::string Bench::state_of(const std::string& id) const {
  const auto shown = run({"--json", "request", "show", id});
  must(shown, "request show");
  return std::string(shown.json().at("state").as_string());
}

std::vector<std::string> Bench::journal() const {
  std::vector<std::string> result;
  for (const auto& line : lines_of(cli_.read("rig/tsb-journal.jsonl"))) {
    result.push_back(line.at("method").as_string() + " " + line.at("path").as_string());
  }
  return result;
}

unsigned Bench::count(const std::string& method_and_path) const {
  unsigned found = 0;
  for (const auto& line : journal()) found += line == method_and_path ? 1U : 0U;
  return found;
}

Bench::Objects Bench::objects(const std::string& label) const {
  const auto listed = cli_.pkcs11_tool("web", {"--list-objects"});
  must(listed, "pkcs11-tool");
  Objects objects;
  std::string kind;
  std::size_t begin = 0;
  const auto& text = listed.out;
  while (begin < text.size()) {
    const auto end = std::min(text.find('\n', begin), text.size());
    const auto line = text.substr(begin, end - begin);
    if (!line.empty() && line.front() != ' ') kind = line;
    if (line.find("label:") != std::string::npos && line.ends_with(" " + label)) {
      if (kind.starts_with("Private Key")) ++objects.private_keys;
      if (kind.starts_with("Public Key")) ++objects.public_keys;
      if (kind.starts_with("Certificate")) ++objects.certificates;
    }
    begin = end + 1;
  }
  return objects;
}

}  // namespace hsmbridge::test
