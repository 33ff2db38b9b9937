#pragma once

#include "support/cli/cli.h"

#include <memory>
#include <string>
#include <vector>

namespace hsmbridge::test {

// Whether somebody at the service must approve what is ordered.
enum class Approval { none, two_people };

// One certificate service with a user in front of it: the simulator in a process of its own, a token `web`, and a
// configuration with one provider and the profile `server`. What differs between the services is here, and nowhere in
// the scenarios.
class Service {
 public:
  virtual ~Service() = default;

  virtual const Cli& cli() const = 0;
  // `hsmbridge-rig WORDS --dir …`; throws when it fails.
  virtual void rig(const std::vector<std::string>& words) const = 0;
  // The name of the provider in the configuration.
  virtual std::string provider() const = 0;
  // What is asked to be certified there.
  virtual std::vector<std::string> names() const { return {"--cn", "www.example.com", "--san", "dns:www.example.com"}; }
  // The root in which chains end, PEM.
  virtual std::string root() const = 0;

  // What the people who may do so decide about the one request that waits there.
  virtual void approve(const std::string& id) = 0;
  virtual void reject(const std::string& id) = 0;
  // They approve although we have given it up, where nothing of ours is asked.
  virtual void approve_all_the_same(const std::string& id) { approve(id); }

  // How many orders the service has taken, whether its answers arrived or not.
  virtual unsigned orders() const = 0;
  // Flags of `hsmbridge-rig fault` that hit the next order, every question about how it goes, and what makes its
  // certificate a wrong one.
  virtual std::vector<std::string> at_order() const = 0;
  virtual std::vector<std::string> at_poll() const = 0;
  virtual std::vector<std::string> wrong_certificate() const = 0;

  // Whether an order can be found again of which only the answer was lost.
  virtual bool finds_lost_order(Approval approval) const = 0;
  // Whether it can say for certain that an order which needs nobody never arrived.
  virtual bool knows_absence() const = 0;
};

// The services: one test of each scenario for each.
struct Securosys {
  static std::unique_ptr<Service> make(Approval approval);
};
struct SecurosysCertificate {  // the TSB builds the certificate
  static std::unique_ptr<Service> make(Approval approval);
};
struct Digicert {
  static std::unique_ptr<Service> make(Approval approval);
};
struct Venafi {
  static std::unique_ptr<Service> make(Approval approval);
};

}  // namespace hsmbridge::test
