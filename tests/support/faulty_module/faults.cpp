#include "support/faulty_module/faults.h"

#include "support/faulty_module/control.h"

#include <dlfcn.h>

#include <cstring>
#include <stdexcept>

namespace hsmbridge::test {
namespace {

const FaultControl& control() {
  static const FaultControl* const found = [] {
    // The same path as Module::load gets, so the same copy of the library.
    void* const library = ::dlopen(HSMBRIDGE_FAULTY_MODULE, RTLD_NOW | RTLD_LOCAL);
    void* const symbol = library == nullptr ? nullptr : ::dlsym(library, "hsmbridge_fault_control");
    if (symbol == nullptr) throw std::runtime_error("the faulty module cannot be loaded");
    GetFaultControl get = nullptr;
    std::memcpy(&get, &symbol, sizeof symbol);
    return get();
  }();
  return *found;
}

}  // namespace

std::filesystem::path Faults::module() {
  return HSMBRIDGE_FAULTY_MODULE;
}

Faults::Faults() {
  control().reset();
}
Faults::~Faults() {
  control().reset();
}

void Faults::fail(const std::string& function, unsigned long rv, unsigned times, unsigned skip) {
  control().fail(function.c_str(), rv, times, skip, 0);
}
void Faults::fail_after(const std::string& function, unsigned long rv, unsigned times) {
  control().fail(function.c_str(), rv, times, 0, 1);
}
void Faults::hang(const std::string& function) {
  control().hang(function.c_str());
}
void Faults::release() {
  control().release();
}
void Faults::wrong_signatures(unsigned times) {
  control().wrong_signatures(times);
}
void Faults::token_flags(unsigned long flags) {
  control().token_flags(flags);
}
void Faults::without_token_flags(unsigned long flags) {
  control().without_token_flags(flags);
}
void Faults::own_ids(unsigned times) {
  control().own_ids(times);
}
void Faults::show_private(int value) {
  control().show_private(value);
}
void Faults::without_mechanism(unsigned long mechanism) {
  control().without_mechanism(mechanism);
}
void Faults::refuse_attribute(unsigned long type, unsigned long rv) {
  control().refuse_attribute(type, rv);
}
void Faults::show_flag(unsigned long type, int value) {
  control().show_flag(type, value);
}
void Faults::half_pairs(unsigned times) {
  control().half_pairs(times);
}
void Faults::garble_values(unsigned times) {
  control().garble_values(times);
}
void Faults::token_texts(const std::string& label, const std::string& serial) {
  control().token_texts(label.c_str(), serial.c_str());
}
void Faults::pad(Padding padding) {
  control().pad_with_zeros(padding == Padding::zero_then_garbage ? 1 : 0);
}
void Faults::hide_slot(unsigned long slot) {
  control().hide_slot(slot);
}
void Faults::short_ids(unsigned octets, unsigned long refusal) {
  control().short_ids(octets, refusal);
}
void Faults::most_digest(unsigned octets) {
  control().most_digest(octets);
}

void Faults::most_found(unsigned handles) {
  control().most_found(handles);
}

void Faults::stop_at_unknown(Rest rest) {
  control().stop_at_unknown(static_cast<int>(rest));
}
unsigned Faults::calls(const std::string& function) const {
  return control().calls(function.c_str());
}
void Faults::close_all_sessions() {
  control().close_all_sessions();
}
void Faults::log_out() {
  control().log_out();
}
void Faults::finalize() {
  control().finalize();
}

}  // namespace hsmbridge::test
