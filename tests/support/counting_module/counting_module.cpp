// A PKCS#11 module around SoftHSM that counts the calls: what an operation costs on every HSM, whatever the machine.
// HSMBRIDGE_CALLS names the file into which a process writes "C_Sign 3" a line when it ends; HSMBRIDGE_CALL_DELAY
// how many microseconds each call takes longer, as with an HSM behind a network.

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace {

struct Counting {
  CK_FUNCTION_LIST* real = nullptr;
  CK_FUNCTION_LIST list{};
  useconds_t delay = 0;
#define X(name) std::atomic<unsigned> name{0};
#include "functions.inc"
#undef X

  Counting() {
    void* const softhsm = ::dlopen(HSMBRIDGE_SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (softhsm == nullptr) return;
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(softhsm, "C_GetFunctionList"));
    if (get == nullptr || get(&real) != CKR_OK) return;
    if (const char* const microseconds = std::getenv("HSMBRIDGE_CALL_DELAY")) {
      delay = static_cast<useconds_t>(std::strtoul(microseconds, nullptr, 10));
    }
  }
  ~Counting() {
    const char* const file = std::getenv("HSMBRIDGE_CALLS");
    std::FILE* const out = file == nullptr ? nullptr : std::fopen(file, "w");
    if (out == nullptr) return;
#define X(name) \
  if (name != 0) std::fprintf(out, #name " %u\n", name.load());
#include "functions.inc"
#undef X
    std::fclose(out);
  }
};

Counting& counting() {
  static Counting one;
  return one;
}

// The same function of the real module, counted.
template <auto Member, auto Counter, class... Arguments>
CK_RV counted(Arguments... arguments) {
  Counting& c = counting();
  ++(c.*Counter);
  if (c.delay != 0) ::usleep(c.delay);
  return (c.real->*Member)(arguments...);
}

template <auto Member, auto Counter, class... Arguments>
auto pick(CK_RV (*)(Arguments...)) {
  return &counted<Member, Counter, Arguments...>;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
  Counting& c = counting();
  if (c.real == nullptr) return CKR_LIBRARY_LOAD_FAILED;
  c.list = *c.real;
#define X(name) c.list.name = pick<&CK_FUNCTION_LIST::name, &Counting::name>(c.list.name);
#include "functions.inc"
#undef X
  *list = &c.list;
  return CKR_OK;
}
