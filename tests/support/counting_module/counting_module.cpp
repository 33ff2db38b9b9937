// A PKCS#11 module around SoftHSM that counts the calls: what an operation costs on every HSM, whatever the machine.
// HSMBRIDGE_CALLS names the file into which a process writes "C_Sign 3" a line when it ends; HSMBRIDGE_CALL_DELAY
// how many microseconds each call takes longer, as with an HSM behind a network.
// With HSMBRIDGE_SIGN_TOGETHER=N a C_Sign is answered when N of them are inside the module, and with CKR_FUNCTION_FAILED
// when the others do not come within a minute: a program that signs fewer at once fails. How many were inside at most is
// written into the same file as "at_once N".

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace {

// Lets nobody through before enough have come.
class Together {
 public:
  explicit Together(unsigned enough) : enough_(enough) {}
  unsigned most() const { return most_; }
  bool come() {
    std::unique_lock lock(mutex_);
    most_ = std::max(most_, ++inside_);
    const unsigned long mine = group_;
    if (++come_ == enough_) {
      come_ = 0;
      ++group_;
      changed_.notify_all();
      return true;
    }
    return changed_.wait_for(lock, std::chrono::minutes{1}, [&] { return group_ != mine; });
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    --inside_;
  }

 private:
  const unsigned enough_;
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned inside_ = 0, most_ = 0, come_ = 0;
  unsigned long group_ = 0;
};

unsigned long number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? 0 : std::strtoul(text, nullptr, 10);
}

struct Counting {
  CK_FUNCTION_LIST* real = nullptr;
  CK_FUNCTION_LIST list{};
  const useconds_t delay = static_cast<useconds_t>(number_in("HSMBRIDGE_CALL_DELAY"));
  const unsigned long together = number_in("HSMBRIDGE_SIGN_TOGETHER");
  Together signing{static_cast<unsigned>(together)};
#define X(name) std::atomic<unsigned> name{0};
#include "functions.inc"
#undef X

  Counting() {
    void* const softhsm = ::dlopen(HSMBRIDGE_SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (softhsm == nullptr) return;
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(softhsm, "C_GetFunctionList"));
    if (get == nullptr || get(&real) != CKR_OK) real = nullptr;
  }
  ~Counting() {
    const char* const file = std::getenv("HSMBRIDGE_CALLS");
    std::FILE* const out = file == nullptr ? nullptr : std::fopen(file, "w");
    if (out == nullptr) return;
#define X(name) \
  if (name != 0) std::fprintf(out, #name " %u\n", name.load());
#include "functions.inc"
#undef X
    if (together != 0) std::fprintf(out, "at_once %u\n", signing.most());
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
  if constexpr (Counter == &Counting::C_Sign) {
    if (c.together != 0) {
      const bool all_there = c.signing.come();
      const CK_RV rv = all_there ? (c.real->*Member)(arguments...) : CKR_FUNCTION_FAILED;
      c.signing.leave();
      return rv;
    }
  }
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
