// A PKCS#11 module around SoftHSM that counts the calls: what an operation costs on every HSM, whatever the machine.
// HSMBRIDGE_CALLS names the file into which a process writes "C_Sign 3" a line when it ends; HSMBRIDGE_CALL_DELAY
// how many microseconds each call takes longer, as with an HSM behind a network.

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

// Every function of CK_FUNCTION_LIST (PKCS#11 v2.40) but C_GetFunctionList.
#define FUNCTIONS(X)                                                                                                  \
  X(C_Initialize)                                                                                                     \
  X(C_Finalize)                                                                                                       \
  X(C_GetInfo)                                                                                                        \
  X(C_GetSlotList)                                                                                                    \
  X(C_GetSlotInfo) X(C_GetTokenInfo) X(C_GetMechanismList) X(C_GetMechanismInfo) X(C_InitToken) X(C_InitPIN)          \
      X(C_SetPIN) X(C_OpenSession) X(C_CloseSession) X(C_CloseAllSessions) X(C_GetSessionInfo) X(C_GetOperationState) \
          X(C_SetOperationState) X(C_Login) X(C_Logout) X(C_CreateObject) X(C_CopyObject) X(C_DestroyObject)          \
              X(C_GetObjectSize) X(C_GetAttributeValue) X(C_SetAttributeValue) X(C_FindObjectsInit) X(C_FindObjects)  \
                  X(C_FindObjectsFinal) X(C_EncryptInit) X(C_Encrypt) X(C_EncryptUpdate) X(C_EncryptFinal)            \
                      X(C_DecryptInit) X(C_Decrypt) X(C_DecryptUpdate) X(C_DecryptFinal) X(C_DigestInit) X(C_Digest)  \
                          X(C_DigestUpdate) X(C_DigestKey) X(C_DigestFinal) X(C_SignInit) X(C_Sign) X(C_SignUpdate)   \
                              X(C_SignFinal) X(C_SignRecoverInit) X(C_SignRecover) X(C_VerifyInit) X(C_Verify)        \
                                  X(C_VerifyUpdate) X(C_VerifyFinal) X(C_VerifyRecoverInit) X(C_VerifyRecover)        \
                                      X(C_DigestEncryptUpdate) X(C_DecryptDigestUpdate) X(C_SignEncryptUpdate)        \
                                          X(C_DecryptVerifyUpdate) X(C_GenerateKey) X(C_GenerateKeyPair) X(C_WrapKey) \
                                              X(C_UnwrapKey) X(C_DeriveKey) X(C_SeedRandom) X(C_GenerateRandom)       \
                                                  X(C_GetFunctionStatus) X(C_CancelFunction) X(C_WaitForSlotEvent)

namespace {

struct Counting {
  CK_FUNCTION_LIST* real = nullptr;
  CK_FUNCTION_LIST list{};
  useconds_t delay = 0;
#define COUNTER(name) std::atomic<unsigned> name{0};
  FUNCTIONS(COUNTER)
#undef COUNTER

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
#define WRITE(name) \
  if (name != 0) std::fprintf(out, #name " %u\n", name.load());
    FUNCTIONS(WRITE)
#undef WRITE
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
#define WRAP(name) c.list.name = pick<&CK_FUNCTION_LIST::name, &Counting::name>(c.list.name);
  FUNCTIONS(WRAP)
#undef WRAP
  *list = &c.list;
  return CKR_OK;
}
