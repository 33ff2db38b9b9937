#pragma once

// What the faulty module exports beside C_GetFunctionList.
struct FaultControl {
  void (*reset)();
  void (*fail)(const char* function, unsigned long rv, unsigned times, unsigned skip, int after);
  void (*hang)(const char* function);
  void (*release)();
  void (*wrong_signatures)(unsigned times);
  void (*token_flags)(unsigned long flags);
  void (*without_token_flags)(unsigned long flags);
  void (*without_mechanism)(unsigned long mechanism);
  void (*refuse_attribute)(unsigned long type, unsigned long rv);
  void (*show_flag)(unsigned long type, int value);
  void (*half_pairs)(unsigned times);
  void (*own_ids)(unsigned times);
  void (*show_private)(int value);
  void (*garble_values)(unsigned times);
  void (*token_texts)(const char* label, const char* serial);
  void (*pad_with_zeros)(int garbage);
  void (*hide_slot)(unsigned long slot);
  void (*short_ids)(unsigned octets, unsigned long refusal);
  void (*most_digest)(unsigned octets);
  void (*most_found)(unsigned handles);
  void (*stop_at_unknown)(int rest);
  unsigned (*calls)(const char* function);
  void (*close_all_sessions)();
  void (*log_out)();
  void (*finalize)();
};

// The symbol: const FaultControl* hsmbridge_fault_control(void).
using GetFaultControl = const FaultControl* (*)();
