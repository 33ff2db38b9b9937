#include "service.h"

#include "support/bench/bench.h"
#include "support/running_rig.h"

#include <sstream>
#include <stdexcept>

namespace hsmbridge::test {

namespace {

using Words = std::vector<std::string>;
constexpr std::size_t kUuidSize = 36;

void must(const CliResult& result) {
  if (result.status != 0) throw std::runtime_error(result.err + result.out);
}

// How many POSTs of a journal were taken: answered with 200 or 201, or answered and the answer dropped.
template <class IsOrder>
unsigned taken(const std::string& journal, const IsOrder& is_order) {
  unsigned found = 0;
  std::istringstream lines(journal);
  for (std::string text; std::getline(lines, text);) {
    const Json line = Json::parse(text);
    if (line.at("method").as_string() != "POST" || !is_order(line.at("path").as_string())) continue;
    const Json* fault = line.find("fault");
    const bool answer_dropped = fault != nullptr && fault->is_string() && fault->as_string() == "drop-after";
    const auto status = line.integer_or("status", 0);
    if (status == 200 || status == 201 || answer_dropped) ++found;
  }
  return found;
}

class Tsb final : public Service {
 public:
  Tsb(Approval approval, bool builds_there) : builds_there_(builds_there), bench_(options(approval, builds_there)) {}

  const Cli& cli() const override { return bench_.cli(); }
  void rig(const Words& words) const override { must(bench_.rig(words)); }
  std::string provider() const override { return "tsb"; }
  std::string root() const override { return (bench_ / "rig/ca-key.pem").string(); }
  void approve(const std::string&) override {
    if (bench_.approve_all("alice") != 1 || bench_.approve_all("bob") != 1) throw std::runtime_error("no task");
  }
  void reject(const std::string&) override {
    for (const char* person : {"alice", "bob"}) {
      for (const auto& task : bench_.tasks_of(person)) {
        must(bench_.run({"approval", "reject", "--as", person, task, "--yes"}));
      }
    }
  }
  Words names() const override { return builds_there_ ? Words{"--cn", "www.example.com"} : Service::names(); }
  unsigned orders() const override {
    return taken(bench_.cli().read("rig/tsb-journal.jsonl"), [this](const std::string& at) { return at == path(); });
  }
  Words at_order() const override { return {"--method", "POST", "--path", path()}; }
  Words at_poll() const override { return {"--method", "GET", "--path", "/v1/request"}; }
  Words wrong_certificate() const override {
    return {"--kind", builds_there_ ? "wrong-certificate" : "wrong-signature", "--path", "/v1/request", "--times", "0"};
  }
  // It has no search, and this user no task_reader.
  bool finds_lost_order(Approval) const override { return false; }
  bool knows_absence() const override { return false; }

 private:
  std::string path() const { return builds_there_ ? "/v1/certificate/sign" : "/v1/sign"; }
  static BenchOptions options(Approval approval, bool builds_there) {
    BenchOptions options;
    options.quorum = approval == Approval::none ? 0 : 2;
    if (builds_there) {
      options.serve = {"--generation", "2.5"};
      options.provider = "    mode: certificate\n";
      options.profile = "    accept: [serial-not-positive, key-usage-missing, extended-key-usage-missing]\n";
    }
    return options;
  }

  bool builds_there_;
  mutable Bench bench_;
};

// A service that is known by a user's key alone.
class Cloud : public Service {
 public:
  explicit Cloud(const std::string& service) : service_(service), rig_({}, service) { cli_.make_token("web"); }

  const Cli& cli() const override { return cli_; }
  void rig(const Words& words) const override {
    Words all{HSMBRIDGE_RIG};
    all.insert(all.end(), words.begin(), words.end());
    all.insert(all.end(), {"--dir", rig_.dir()});
    must(cli_.other(all));
  }
  std::string provider() const override { return service_; }
  std::string root() const override { return about("issuing_root"); }
  unsigned orders() const override {
    return taken(std::string(as_text(read_file(about("journal")))),
                 [this](const std::string& at) { return is_order(at); });
  }
  Words at_order() const override { return {"--method", "POST", "--path", path()}; }

 protected:
  virtual std::string path() const = 0;
  virtual bool is_order(const std::string& path) const { return path == this->path(); }
  std::string about(const std::string& name) const { return rig_.about().at(name).as_string(); }
  // `lines`: of the provider, indented by four.
  void configure(const std::string& type, const std::string& user, const std::string& lines) const {
    const auto key = cli_.write(user + ".key", rig_.api_key(user) + "\n").string();
    cli_.configure(
        "store: {path: " + (cli_ / "hsmbridge.db").string() + "}\nproviders:\n  " + service_ + ":\n    type: " + type +
        "\n    url: " + about("url") + "\n    ca: " + about("ca") + "\n    api_key: \"file:" + key +
        "\"\n    time_limit: 3s\n    settle: 1s\n    search_lag: 2s\n    poll_first: 200ms\n    poll_longest: 500ms\n" +
        lines + "profiles:\n  server:\n    provider: " + service_ +
        "\n    token: web\n    key: \"ec:P-256\"\n    subject: [{C: CH}, {O: Example}]\n"
        "    usage: [digitalSignature]\n    extended_usage: [serverAuth]\n    validity: 20d\n    anchors: [" +
        root() + "]\n    install: {token: true}\n");
  }
  void decide(const std::string& verdict, const std::string& id, const std::string& reason) const {
    must(cli_.run({"approval", verdict, "--provider", service_, id, "--reason", reason, "--yes"}));
  }

 private:
  std::string service_;
  RunningRig rig_;
  Cli cli_;
};

class DigicertService final : public Cloud {
 public:
  explicit DigicertService(Approval approval) : Cloud("digicert") {
    configure("digicert-tlm", "service",
              std::string("    profile: 36f011b7-5fa1-4c6d-83f3-00000000000") +
                  (approval == Approval::none ? "1" : "4") + "\n    seat: ops@example.com\n");
  }
  std::string root() const override { return about("root"); }
  // Administrators decide in the console; there is no call for it.
  void approve(const std::string&) override {
    rig({"digicert", "approve", "--by", "anna"});
    rig({"digicert", "approve", "--by", "ben"});
  }
  void reject(const std::string&) override {
    rig({"digicert", "reject", "--by", "anna", "--reason", "nobody asked me"});
  }
  Words at_poll() const override { return {"--method", "POST", "--path", "/mpki/api/v1/certificate-pickup"}; }
  Words wrong_certificate() const override {
    return {"--kind", "wrong-certificate", "--path", "/mpki/api/v1/certificate", "--times", "0"};
  }
  // Certificates can be searched for, requests that wait cannot.
  bool finds_lost_order(Approval approval) const override { return approval == Approval::none; }
  bool knows_absence() const override { return true; }

 private:
  std::string path() const override { return "/mpki/api/v1/certificate"; }
  bool is_order(const std::string& at) const override {
    return at == path() || (at.starts_with(path() + "/") && at.find("/renew") != std::string::npos);
  }
};

class VenafiService final : public Cloud {
 public:
  explicit VenafiService(Approval approval)
      : Cloud("venafi"), alias_(approval == Approval::none ? "Default" : "Approval") {
    as("ops");
  }
  void approve(const std::string& id) override {
    for (const char* person : {"alice", "bob"}) {
      as(person);
      decide("accept", id, "reviewed");
    }
    as("ops");
  }
  void reject(const std::string& id) override {
    as("alice");
    decide("reject", id, "nobody asked me");
    as("ops");
  }
  void approve_all_the_same(const std::string& id) override {
    const std::string before = "reference ";
    const auto history = cli().run({"request", "history", id}).out;
    const auto reference = history.substr(history.find(before) + before.size(), kUuidSize);
    for (const char* person : {"alice", "bob"}) rig({"venafi", "approve", "--id", reference, "--by", person});
  }
  Words at_poll() const override { return {"--method", "GET", "--path", path()}; }
  Words wrong_certificate() const override {
    return {"--kind", "wrong-certificate", "--method", "GET", "--path", "/outagedetection/v1/certificates", "--times",
            "0"};
  }
  bool finds_lost_order(Approval) const override { return true; }
  bool knows_absence() const override { return true; }

 private:
  std::string path() const override { return "/outagedetection/v1/certificaterequests"; }
  void as(const std::string& user) const {
    configure("venafi-tls-protect-cloud", user, "    zone: 'Payments\\" + alias_ + "'\n");
  }

  std::string alias_;
};

}  // namespace

std::unique_ptr<Service> Securosys::make(Approval approval) {
  return std::make_unique<Tsb>(approval, false);
}

std::unique_ptr<Service> SecurosysCertificate::make(Approval approval) {
  return std::make_unique<Tsb>(approval, true);
}

std::unique_ptr<Service> Digicert::make(Approval approval) {
  return std::make_unique<DigicertService>(approval);
}

std::unique_ptr<Service> Venafi::make(Approval approval) {
  return std::make_unique<VenafiService>(approval);
}

}  // namespace hsmbridge::test
