#pragma once

#include "config/settings.h"
#include "service/dependencies.h"
#include "workflow/ports/key_ring.h"
#include "workflow/ports/token_device.h"

#include <filesystem>
#include <memory>
#include <string>

namespace hsmbridge::service {

// What use cases need of the outside world beside what effects need. Thread rule: as Dependencies, except settings(),
// whose sections are for one thread.
class Bridge : public Dependencies {
 public:
  virtual const config::Settings& settings() const = 0;
  // Throws not_found when the configuration does not name the token, and what opening it throws.
  virtual std::unique_ptr<workflow::KeyRing> key_ring(const std::string& token) = 0;
  virtual std::unique_ptr<workflow::TokenDevice> token_device(const std::string& token) = 0;
  // Throws what loading it throws.
  virtual std::unique_ptr<workflow::TokenModule> token_module(const std::filesystem::path& path) = 0;
  // Appends a leaf to the audit log; owns what it uses.
  virtual workflow::RecordFact recorder() const = 0;
};

}  // namespace hsmbridge::service
