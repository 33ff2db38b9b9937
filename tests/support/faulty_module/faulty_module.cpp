// A PKCS#11 module around SoftHSM that fails on command: what a real HSM does once a year, as often as a test wants it.

#include "support/faulty_module/control.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Rule {
  unsigned long rv = CKR_OK;
  unsigned times = 0;
  unsigned skip = 0;
  bool after = false;
};

struct Faulty {
  CK_FUNCTION_LIST* real = nullptr;
  CK_FUNCTION_LIST list{};
  std::mutex mutex;
  // Held by each call that is under way. A token answers a call on a session that ends meanwhile; SoftHSM 2.6.1 crashes.
  std::shared_mutex sessions;
  std::condition_variable released;
  std::map<std::string, Rule> rules;
  std::map<std::string, unsigned> calls;
  std::string hanging;
  unsigned wrong_signatures = 0;
  unsigned half_pairs = 0;
  unsigned garbled_values = 0;
  unsigned own_ids = 0;
  int shown_private = -1;
  CK_FLAGS token_flags = 0;
  CK_FLAGS without_token_flags = 0;
  std::set<CK_MECHANISM_TYPE> without;
  std::map<CK_ATTRIBUTE_TYPE, unsigned long> refused;
  std::map<CK_ATTRIBUTE_TYPE, int> shown;
  std::set<CK_SLOT_ID> slots;
  unsigned most_id = 0;
  CK_RV long_id_refusal = CKR_OK;
  unsigned long most_digest = 0;
  unsigned long most_found = 0;
  int stop_at_unknown = 0;  // Faults::Rest
  std::string shown_label;
  std::string shown_serial;
  enum class Padding { blanks, zeros, garbage } padding = Padding::blanks;
  std::set<CK_SLOT_ID> hidden;
  CK_SESSION_HANDLE last_session = 0;

  CK_FUNCTION_LIST* load();
};

Faulty& faulty() {
  static auto* const one = new Faulty;
  return *one;
}

// Instead of a return code: the process is killed in the call; or the module reads where nothing is.
constexpr CK_RV kKill = 0xdead0009UL;
constexpr CK_RV kCrash = 0xdead000bUL;

void crash() {
  const volatile int* const nowhere = nullptr;
  static_cast<void>(*nowhere);
}

// One call of a function: whether it fails, and when.
class Call {
 public:
  explicit Call(const char* function) {
    Faulty& f = faulty();
    std::unique_lock lock(f.mutex);
    ++f.calls[function];
    f.released.wait(lock, [&] { return f.hanging != function; });
    const auto found = f.rules.find(function);
    if (found == f.rules.end() || found->second.times == 0) return;
    if (found->second.skip > 0) {
      --found->second.skip;
      return;
    }
    --found->second.times;
    rv_ = found->second.rv;
    after_ = found->second.after;
  }
  template <class Real>
  CK_RV run(Real real) {
    if (rv_ == kKill) ::kill(::getpid(), SIGKILL);
    if (rv_ == kCrash) crash();
    if (rv_ != CKR_OK && !after_) return rv_;
    const std::shared_lock under_way(faulty().sessions);
    const CK_RV answer = real();
    return rv_ != CKR_OK ? rv_ : answer;
  }

 private:
  CK_RV rv_ = CKR_OK;
  bool after_ = false;
};

bool take_one(unsigned& left) {
  const std::lock_guard lock(faulty().mutex);
  if (left == 0) return false;
  --left;
  return true;
}

CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void* application, CK_NOTIFY notify, CK_SESSION_HANDLE* session) {
  return Call("C_OpenSession").run([&] {
    const CK_RV rv = faulty().real->C_OpenSession(slot, flags, application, notify, session);
    const std::lock_guard lock(faulty().mutex);
    faulty().slots.insert(slot);
    if (rv == CKR_OK) faulty().last_session = *session;
    return rv;
  });
}

CK_RV close_session(CK_SESSION_HANDLE session) {
  return Call("C_CloseSession").run([&] { return faulty().real->C_CloseSession(session); });
}

CK_RV initialize(void* arguments) {
  return Call("C_Initialize").run([&] { return faulty().real->C_Initialize(arguments); });
}

CK_RV get_slot_list(unsigned char present, CK_SLOT_ID* slots, unsigned long* count) {
  return Call("C_GetSlotList").run([&] {
    const CK_RV rv = faulty().real->C_GetSlotList(present, slots, count);
    if (rv != CKR_OK || slots == nullptr) return rv;
    auto* const end =
        std::remove_if(slots, slots + *count, [](CK_SLOT_ID slot) { return faulty().hidden.count(slot) != 0; });
    *count = static_cast<unsigned long>(end - slots);
    return rv;
  });
}

CK_RV get_info(CK_INFO* info) {
  return Call("C_GetInfo").run([&] { return faulty().real->C_GetInfo(info); });
}

CK_RV get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO* info) {
  return Call("C_GetSlotInfo").run([&] { return faulty().real->C_GetSlotInfo(slot, info); });
}

template <std::size_t Size>
void show_text(unsigned char (&field)[Size], const std::string& text) {
  if (text.empty()) return;
  std::memset(field, ' ', Size);
  std::memcpy(field, text.data(), std::min(text.size(), Size));
}

template <std::size_t Size>
void pad(unsigned char (&field)[Size]) {
  std::size_t end = Size;
  while (end > 0 && field[end - 1] == ' ') --end;
  if (end < Size) std::memset(field + end, faulty().padding == Faulty::Padding::zeros ? 0 : 'x', Size - end);
  if (end < Size) field[end] = 0;
}

CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  return Call("C_GetTokenInfo").run([&] {
    const CK_RV rv = faulty().real->C_GetTokenInfo(slot, info);
    if (rv != CKR_OK) return rv;
    info->flags = (info->flags | faulty().token_flags) & ~faulty().without_token_flags;
    if ((info->flags & CKF_TOKEN_INITIALIZED) != 0) {
      show_text(info->label, faulty().shown_label);
      show_text(info->serialNumber, faulty().shown_serial);
    }
    if (faulty().padding != Faulty::Padding::blanks) {
      pad(info->label);
      pad(info->manufacturerID);
      pad(info->model);
      pad(info->serialNumber);
    }
    return rv;
  });
}

CK_RV get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE* types, unsigned long* count) {
  return Call("C_GetMechanismList").run([&] {
    const CK_RV rv = faulty().real->C_GetMechanismList(slot, types, count);
    if (rv != CKR_OK || types == nullptr) return rv;
    auto* const end =
        std::remove_if(types, types + *count, [](CK_MECHANISM_TYPE type) { return faulty().without.count(type) != 0; });
    *count = static_cast<unsigned long>(end - types);
    return rv;
  });
}

CK_RV get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  return Call("C_GetMechanismInfo").run([&] { return faulty().real->C_GetMechanismInfo(slot, type, info); });
}

CK_RV get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO* info) {
  return Call("C_GetSessionInfo").run([&] { return faulty().real->C_GetSessionInfo(session, info); });
}

CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, unsigned long length) {
  return Call("C_Login").run([&] { return faulty().real->C_Login(session, user, pin, length); });
}

CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE* match, unsigned long count) {
  return Call("C_FindObjectsInit").run([&] { return faulty().real->C_FindObjectsInit(session, match, count); });
}

CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* found, unsigned long most, unsigned long* count) {
  return Call("C_FindObjects").run([&] {
    if (faulty().most_found != 0) most = std::min(most, faulty().most_found);
    return faulty().real->C_FindObjects(session, found, most, count);
  });
}

CK_RV find_objects_final(CK_SESSION_HANDLE session) {
  return Call("C_FindObjectsFinal").run([&] { return faulty().real->C_FindObjectsFinal(session); });
}

bool is_private_key(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  CK_OBJECT_CLASS object_class = 0;
  CK_ATTRIBUTE attribute{CKA_CLASS, &object_class, sizeof object_class};
  return faulty().real->C_GetAttributeValue(session, object, &attribute, 1) == CKR_OK &&
         object_class == CKO_PRIVATE_KEY;
}

// A module that ends with the first attribute that it does not show.
CK_RV until_unknown(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* wanted, unsigned long count) {
  constexpr int kLengthsAlone = 2;
  constexpr int kUnavailable = 3;
  for (unsigned long i = 0; i < count; ++i) {
    const auto shown = faulty().shown.find(wanted[i].type);
    const bool hidden = shown != faulty().shown.end() && shown->second != 0 && shown->second != 1;
    if (hidden) wanted[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
    const CK_RV rv =
        hidden ? CKR_ATTRIBUTE_TYPE_INVALID : faulty().real->C_GetAttributeValue(session, object, wanted + i, 1);
    if (rv == CKR_OK) continue;
    for (unsigned long rest = i + 1; rest < count; ++rest) {
      if (faulty().stop_at_unknown == kUnavailable) {
        wanted[rest].ulValueLen = CK_UNAVAILABLE_INFORMATION;
      } else if (faulty().stop_at_unknown == kLengthsAlone) {
        CK_ATTRIBUTE length{wanted[rest].type, nullptr, 0};
        faulty().real->C_GetAttributeValue(session, object, &length, 1);
        wanted[rest].ulValueLen = length.ulValueLen;
      }
    }
    return rv;
  }
  return CKR_OK;
}

CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* wanted,
                          unsigned long count) {
  return Call("C_GetAttributeValue").run([&] {
    if (faulty().stop_at_unknown != 0 && count > 1) return until_unknown(session, object, wanted, count);
    CK_RV rv = faulty().real->C_GetAttributeValue(session, object, wanted, count);
    for (unsigned long i = 0; i < count; ++i) {
      const auto shown = faulty().shown.find(wanted[i].type);
      if (shown != faulty().shown.end() && shown->second != 0 && shown->second != 1) {
        wanted[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
        rv = CKR_ATTRIBUTE_TYPE_INVALID;
      } else if (shown != faulty().shown.end() && wanted[i].pValue != nullptr && wanted[i].ulValueLen == 1) {
        *static_cast<unsigned char*>(wanted[i].pValue) = static_cast<unsigned char>(shown->second);
      }
      if (wanted[i].type == CKA_PRIVATE && faulty().shown_private >= 0 && wanted[i].pValue != nullptr &&
          wanted[i].ulValueLen == 1 && is_private_key(session, object)) {
        *static_cast<unsigned char*>(wanted[i].pValue) = static_cast<unsigned char>(faulty().shown_private);
      }
      if (wanted[i].type == CKA_VALUE && wanted[i].pValue != nullptr && rv == CKR_OK && wanted[i].ulValueLen > 0 &&
          take_one(faulty().garbled_values)) {
        static_cast<unsigned char*>(wanted[i].pValue)[wanted[i].ulValueLen - 1] ^= 1;
      }
    }
    return rv;
  });
}

CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return Call("C_SignInit").run([&] { return faulty().real->C_SignInit(session, mechanism, key); });
}

CK_RV sign(CK_SESSION_HANDLE session, unsigned char* data, unsigned long size, unsigned char* signature,
           unsigned long* signature_size) {
  return Call("C_Sign").run([&]() -> CK_RV {
    if (faulty().most_digest != 0 && size > faulty().most_digest) return CKR_DATA_LEN_RANGE;
    const CK_RV rv = faulty().real->C_Sign(session, data, size, signature, signature_size);
    if (rv == CKR_OK && signature != nullptr && take_one(faulty().wrong_signatures)) {
      signature[*signature_size / 2] ^= 1;
    }
    return rv;
  });
}

CK_RV refusal_of(const CK_ATTRIBUTE* attributes, unsigned long count) {
  for (unsigned long i = 0; i < count; ++i) {
    const auto found = faulty().refused.find(attributes[i].type);
    if (found != faulty().refused.end()) return found->second;
  }
  return CKR_OK;
}

CK_RV generate_key_pair(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_ATTRIBUTE* public_template,
                        unsigned long public_count, CK_ATTRIBUTE* private_template, unsigned long private_count,
                        CK_OBJECT_HANDLE* public_key, CK_OBJECT_HANDLE* private_key) {
  return Call("C_GenerateKeyPair").run([&]() -> CK_RV {
    CK_RV refused = refusal_of(public_template, public_count);
    if (refused == CKR_OK) refused = refusal_of(private_template, private_count);
    if (refused != CKR_OK) return refused;
    for (CK_ATTRIBUTE* const list : {public_template, private_template}) {
      for (unsigned long i = 0; i < (list == public_template ? public_count : private_count); ++i) {
        const unsigned most = faulty().most_id;
        if (most == 0 || list[i].type != CKA_ID || list[i].ulValueLen <= most) continue;
        if (faulty().long_id_refusal != CKR_OK) return faulty().long_id_refusal;
        list[i].ulValueLen = most;
      }
    }
    unsigned char own_id = 0x77;
    if (take_one(faulty().own_ids)) {
      for (CK_ATTRIBUTE* const list : {public_template, private_template}) {
        for (unsigned long i = 0; i < (list == public_template ? public_count : private_count); ++i) {
          if (list[i].type == CKA_ID) list[i] = {CKA_ID, &own_id, sizeof own_id};
        }
      }
    }
    const CK_RV rv = faulty().real->C_GenerateKeyPair(session, mechanism, public_template, public_count,
                                                      private_template, private_count, public_key, private_key);
    if (rv == CKR_OK && take_one(faulty().half_pairs)) {
      faulty().real->C_DestroyObject(session, *private_key);
      return CK_RV{CKR_DEVICE_ERROR};
    }
    return rv;
  });
}

CK_RV create_object(CK_SESSION_HANDLE session, CK_ATTRIBUTE* attributes, unsigned long count,
                    CK_OBJECT_HANDLE* object) {
  return Call("C_CreateObject").run([&] {
    const CK_RV refused = refusal_of(attributes, count);
    return refused != CKR_OK ? refused : faulty().real->C_CreateObject(session, attributes, count, object);
  });
}

CK_RV destroy_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  return Call("C_DestroyObject").run([&] { return faulty().real->C_DestroyObject(session, object); });
}

CK_RV init_token(CK_SLOT_ID slot, unsigned char* pin, unsigned long size, unsigned char* label) {
  return Call("C_InitToken").run([&] { return faulty().real->C_InitToken(slot, pin, size, label); });
}

CK_RV init_pin(CK_SESSION_HANDLE session, unsigned char* pin, unsigned long size) {
  return Call("C_InitPIN").run([&] { return faulty().real->C_InitPIN(session, pin, size); });
}

// "C_Sign=0x30:1 C_Login=0xa0:9:2": function, code, how often, and after how many calls that work. "short_ids=2:0x13":
// FaultControl::short_ids.
void read_environment(Faulty& f) {
  const char* const text = std::getenv("HSMBRIDGE_FAULTS");
  if (text == nullptr) return;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    const std::size_t colon = word.find(':');
    if (equals == std::string::npos || colon == std::string::npos) continue;
    if (word.substr(0, equals) == "short_ids") {
      f.most_id = static_cast<unsigned>(std::atoi(word.c_str() + equals + 1));
      f.long_id_refusal = std::strtoul(word.c_str() + colon + 1, nullptr, 0);
      continue;
    }
    const std::size_t skip = word.find(':', colon + 1);
    f.rules[word.substr(0, equals)] = {
        .rv = std::strtoul(word.c_str() + equals + 1, nullptr, 0),
        .times = static_cast<unsigned>(std::atoi(word.c_str() + colon + 1)),
        .skip = skip == std::string::npos ? 0U : static_cast<unsigned>(std::atoi(word.c_str() + skip + 1))};
  }
}

CK_FUNCTION_LIST* Faulty::load() {
  const std::lock_guard lock(mutex);
  if (real != nullptr) return &list;
  void* const library = ::dlopen(HSMBRIDGE_SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL);
  void* const symbol = library == nullptr ? nullptr : ::dlsym(library, "C_GetFunctionList");
  if (symbol == nullptr) return nullptr;
  CK_C_GetFunctionList get = nullptr;
  std::memcpy(&get, &symbol, sizeof symbol);
  if (get(&real) != CKR_OK) return nullptr;
  list = *real;
  list.C_Initialize = initialize;
  list.C_GetInfo = get_info;
  list.C_GetSlotList = get_slot_list;
  list.C_GetSlotInfo = get_slot_info;
  list.C_GetMechanismInfo = get_mechanism_info;
  list.C_GetTokenInfo = get_token_info;
  list.C_GetMechanismList = get_mechanism_list;
  list.C_OpenSession = open_session;
  list.C_CloseSession = close_session;
  list.C_GetSessionInfo = get_session_info;
  list.C_Login = login;
  list.C_FindObjectsInit = find_objects_init;
  list.C_FindObjects = find_objects;
  list.C_FindObjectsFinal = find_objects_final;
  list.C_GetAttributeValue = get_attribute_value;
  list.C_SignInit = sign_init;
  list.C_Sign = sign;
  list.C_GenerateKeyPair = generate_key_pair;
  list.C_CreateObject = create_object;
  list.C_DestroyObject = destroy_object;
  list.C_InitToken = init_token;
  list.C_InitPIN = init_pin;
  read_environment(*this);
  return &list;
}

const FaultControl kControl = {
    .reset =
        [] {
          Faulty& f = faulty();
          f.load();
          const std::lock_guard lock(f.mutex);
          f.rules.clear();
          f.calls.clear();
          f.hanging.clear();
          f.wrong_signatures = f.half_pairs = f.garbled_values = 0;
          f.own_ids = 0;
          f.shown_private = -1;
          f.token_flags = f.without_token_flags = 0;
          f.without.clear();
          f.refused.clear();
          f.shown.clear();
          f.most_id = 0;
          f.long_id_refusal = CKR_OK;
          f.most_digest = f.most_found = 0;
          f.stop_at_unknown = 0;
          f.shown_label.clear();
          f.shown_serial.clear();
          f.padding = Faulty::Padding::blanks;
          f.hidden.clear();
          f.released.notify_all();
        },
    .fail =
        [](const char* function, unsigned long rv, unsigned times, unsigned skip, int after) {
          const std::lock_guard lock(faulty().mutex);
          faulty().rules[function] = {.rv = rv, .times = times, .skip = skip, .after = after != 0};
        },
    .hang =
        [](const char* function) {
          const std::lock_guard lock(faulty().mutex);
          faulty().hanging = function;
        },
    .release =
        [] {
          const std::lock_guard lock(faulty().mutex);
          faulty().hanging.clear();
          faulty().released.notify_all();
        },
    .wrong_signatures = [](unsigned times) { faulty().wrong_signatures = times; },
    .token_flags = [](unsigned long flags) { faulty().token_flags = flags; },
    .without_token_flags = [](unsigned long flags) { faulty().without_token_flags = flags; },
    .without_mechanism = [](unsigned long mechanism) { faulty().without.insert(mechanism); },
    .refuse_attribute = [](unsigned long type, unsigned long rv) { faulty().refused[type] = rv; },
    .show_flag = [](unsigned long type, int value) { faulty().shown[type] = value; },
    .half_pairs = [](unsigned times) { faulty().half_pairs = times; },
    .own_ids = [](unsigned times) { faulty().own_ids = times; },
    .show_private = [](int value) { faulty().shown_private = value; },
    .garble_values = [](unsigned times) { faulty().garbled_values = times; },
    .token_texts =
        [](const char* label, const char* serial) {
          faulty().shown_label = label;
          faulty().shown_serial = serial;
        },
    .pad_with_zeros =
        [](int garbage) { faulty().padding = garbage != 0 ? Faulty::Padding::garbage : Faulty::Padding::zeros; },
    .hide_slot = [](unsigned long slot) { faulty().hidden.insert(slot); },
    .short_ids =
        [](unsigned octets, unsigned long refusal) {
          faulty().most_id = octets;
          faulty().long_id_refusal = refusal;
        },
    .most_digest = [](unsigned octets) { faulty().most_digest = octets; },
    .most_found = [](unsigned handles) { faulty().most_found = handles; },
    .stop_at_unknown = [](int rest) { faulty().stop_at_unknown = rest; },
    .calls =
        [](const char* function) {
          const std::lock_guard lock(faulty().mutex);
          return faulty().calls[function];
        },
    .close_all_sessions =
        [] {
          const std::unique_lock none_under_way(faulty().sessions);
          for (const CK_SLOT_ID slot : faulty().slots) faulty().real->C_CloseAllSessions(slot);
        },
    .log_out = [] { faulty().real->C_Logout(faulty().last_session); },
    .finalize = [] { faulty().real->C_Finalize(nullptr); },
};

}  // namespace

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
  CK_FUNCTION_LIST* const loaded = faulty().load();
  if (loaded == nullptr) return CKR_LIBRARY_LOAD_FAILED;
  *list = loaded;
  return CKR_OK;
}

extern "C" __attribute__((visibility("default"))) const FaultControl* hsmbridge_fault_control() {
  return &kControl;
}
