// As much of NVIDIA's driver and run-time compiler as hitcast-cuda calls, on the processor, so that kernels and everything
// around them can be tested where there is no GPU. The compiler is the system's C++ compiler. The threads of a block are
// fibers that change places at __syncthreads only, in rising or falling order: what depends on the order, that is on a
// missing barrier, comes out different. Every allocation stands between guards, which are looked at after each launch.
//
// Numbers, names and orders of arguments are those of the public headers cuda.h and nvrtc.h.

#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <string>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

#ifdef COMPILER

namespace {
const char* PRELUDE = R"(
#include <cmath>
#include <cfloat>
#include <cstdint>
struct Place { unsigned x, y, z; };
struct float4 { float x, y, z, w; };
struct uint4 { unsigned x, y, z, w; };
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
extern "C" {
Place threadIdx, blockIdx, blockDim, gridDim;
void (*emulated_barrier)();
alignas(64) float4 emulated_shared[1 << 14];
}
#define __device__ static
#define __global__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __syncthreads() emulated_barrier()
static inline unsigned atomicAdd(unsigned* to, unsigned value) { return (*to += value) - value; }
using std::isfinite;
)";

struct Program {
    std::string source, log, library;
};

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) text.replace(at, what.size(), by);
    return text;
}
}  // namespace

extern "C" {

int nvrtcCreateProgram(
    Program** program, const char* source, const char*, int, const char* const*, const char* const*) {
    *program = new Program{source, "", ""};
    return 0;
}

int nvrtcDestroyProgram(Program** program) {
    delete *program;
    *program = nullptr;
    return 0;
}

int nvrtcCompileProgram(Program* program, int, const char* const*) {
    static int number = 0;
    const char* folder = getenv("EMULATOR_FOLDER");
    const std::string base = std::string(folder) + "/kernels_" + std::to_string(getpid()) + "_" + std::to_string(number++);
    const std::string source = base + ".cpp";
    program->library = base + ".so";
    FILE* file = fopen(source.c_str(), "w");
    if (!file) return 1;
    fputs(PRELUDE, file);
    fputs(
        replaced(
            program->source, "extern __shared__ float4 shared_memory[];", "float4* const shared_memory = emulated_shared;")
            .c_str(),
        file);
    fclose(file);
    const char* compiler = getenv("CXX");
    const std::string command = std::string(compiler ? compiler : "c++") +
                                " -std=c++17 -O1 -march=native -ffp-contract=off -shared -fPIC -w -o '" + program->library +
                                "' '" + source + "' 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    char line[4096];
    while (fgets(line, sizeof line, pipe)) program->log += line;
    return pclose(pipe) == 0 ? 0 : 6;
}

int nvrtcGetProgramLogSize(Program* program, size_t* size) {
    *size = program->log.size() + 1;
    return 0;
}

int nvrtcGetProgramLog(Program* program, char* to) {
    strcpy(to, program->log.c_str());
    return 0;
}

// What stands in place of a program is the name of a library.
int nvrtcGetPTXSize(Program* program, size_t* size) {
    *size = program->library.size() + 1;
    return 0;
}

int nvrtcGetPTX(Program* program, char* to) {
    strcpy(to, program->library.c_str());
    return 0;
}

int nvrtcGetCUBINSize(Program* program, size_t* size) { return nvrtcGetPTXSize(program, size); }
int nvrtcGetCUBIN(Program* program, char* to) { return nvrtcGetPTX(program, to); }

int nvrtcGetNumSupportedArchs(int* n) { return *n = 2, 0; }
int nvrtcGetSupportedArchs(int* to) { return to[0] = 75, to[1] = 90, 0; }

const char* nvrtcGetErrorString(int) { return "emulated error"; }
}

#else

namespace {
struct Place {
    unsigned x, y, z;
};
typedef void (*Kernel)(const void*, const void*, unsigned, unsigned);

struct Module {
    void* library;
    Place *thread, *block, *block_size, *grid_size;
    void (**barrier)();
};

struct Function {
    Module* module;
    Kernel kernel;
    unsigned shared = 48 << 10;
};

constexpr size_t GUARD = 64, STACK = 64 << 10, LARGEST_BLOCK = 1024;
constexpr int MEMORY = 2, NOT_READY = 600, BAD = 1, ILLEGAL = 700, VANISHED = 46;
constexpr unsigned SHARED = 200 << 10;

std::map<char*, size_t> allocations;
std::vector<std::function<int()>>* capture = nullptr;
long launches_left = -1, bytes_left = -1;
bool falls = false;

// Fibers of a block.
struct Fiber {
    ucontext_t start;
    jmp_buf at;
    bool began, ended;
    char* stack;
};
Fiber fibers[LARGEST_BLOCK];
jmp_buf scheduler;
unsigned running;
std::function<void()> body;

void enter_fiber() {
    body();
    fibers[running].ended = true;
    _longjmp(scheduler, 1);
}

void barrier() {
    if (_setjmp(fibers[running].at) == 0) _longjmp(scheduler, 1);
}

void resume(unsigned thread) {
    Fiber& fiber = fibers[thread];
    running = thread;
    if (_setjmp(scheduler) != 0) return;
    if (fiber.began) _longjmp(fiber.at, 1);
    fiber.began = true;
    getcontext(&fiber.start);
    if (!fiber.stack) fiber.stack = static_cast<char*>(malloc(STACK));
    fiber.start.uc_stack.ss_sp = fiber.stack;
    fiber.start.uc_stack.ss_size = STACK;
    fiber.start.uc_link = nullptr;
    makecontext(&fiber.start, enter_fiber, 0);
    setcontext(&fiber.start);
}

int run(const Function& function, Place grid, Place block, unsigned shared, const void* networks, const void* steps,
        unsigned slot, unsigned slots) {
    if (launches_left == 0) return VANISHED;
    if (launches_left > 0) launches_left--;
    if (shared > function.shared || block.x > LARGEST_BLOCK) return BAD;
    Module& module = *function.module;
    *module.barrier = barrier;
    *module.block_size = block;
    *module.grid_size = grid;
    body = [&] { function.kernel(networks, steps, slot, slots); };
    for (unsigned y = 0; y < grid.y; y++)
        for (unsigned place = 0; place < grid.x; place++) {
            const unsigned x = falls ? grid.x - 1 - place : place;
            *module.block = {x, y, 0};
            for (unsigned thread = 0; thread < block.x; thread++) fibers[thread].began = fibers[thread].ended = false;
            for (unsigned alive = block.x; alive > 0;) {
                // Every thread that still runs goes to the next barrier.
                alive = 0;
                for (unsigned place = 0; place < block.x; place++) {
                    const unsigned thread = falls ? block.x - 1 - place : place;
                    if (fibers[thread].ended) continue;
                    *module.thread = {thread, 0, 0};
                    resume(thread);
                    alive += !fibers[thread].ended;
                }
            }
        }
    for (const auto& [address, size] : allocations)
        for (size_t n = 0; n < GUARD; n++)
            if (address[-1 - long(n)] != 0x5a || address[size + n] != 0x5a) return ILLEGAL;
    return 0;
}

int queue(std::function<int()> work) {
    if (!capture) return work();
    capture->push_back(work);
    return 0;
}
}  // namespace

extern "C" {

// For tests: so many launches until the device is gone, so many bytes until it is full (-1: never), and the order.
void emulator_vanishes_after(long launches) { launches_left = launches; }
void emulator_has_bytes(long bytes) { bytes_left = bytes; }
void emulator_falls(bool order) { falls = order; }

int cuInit(unsigned) { return 0; }
int cuDeviceGetCount(int* count) { return *count = 1, 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, ordinal == 0 ? 0 : 101; }
int cuDeviceGetName(char* name, int length, int) { return snprintf(name, length, "Emulated"), 0; }
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = reinterpret_cast<void*>(8), 0; }
int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
int cuCtxGetCurrent(void** context) { return *context = reinterpret_cast<void*>(8), 0; }
int cuCtxSetCurrent(void*) { return 0; }
int cuCtxSynchronize() { return 0; }

int cuDeviceGetAttribute(int* value, int attribute, int) {
    switch (attribute) {
        case 16: *value = 6; break;         // multiprocessors
        case 97: *value = SHARED; break;    // shared memory of a block that asks for it
        case 75: *value = 9; break;         // compute capability
        case 76: *value = 0; break;
        case 115: *value = 1; break;        // memory pools
        default: *value = 0;
    }
    return 0;
}

int cuStreamCreate(void** stream, unsigned) { return *stream = new char, 0; }
int cuStreamDestroy_v2(void* stream) { return delete static_cast<char*>(stream), 0; }
int cuStreamSynchronize(void*) { return launches_left == 0 ? VANISHED : 0; }

int cuMemAlloc_v2(void** address, size_t size) {
    if (size == 0) return BAD;
    if (bytes_left >= 0 && long(size) > bytes_left) return MEMORY;
    if (bytes_left >= 0) bytes_left -= size;
    char* memory = static_cast<char*>(aligned_alloc(GUARD, (size + 3 * GUARD - 1) / GUARD * GUARD + GUARD));
    memset(memory, 0x5a, GUARD);
    // Not a number, for those who read what was never written.
    memset(memory + GUARD, 0xff, size);
    memset(memory + GUARD + size, 0x5a, GUARD);
    *address = memory + GUARD;
    allocations[memory + GUARD] = size;
    return 0;
}
int cuMemAllocAsync(void** address, size_t size, void*) { return cuMemAlloc_v2(address, size); }

int cuMemFree_v2(char* address) {
    if (!allocations.erase(address)) return BAD;
    free(address - GUARD);
    return 0;
}
int cuMemFreeAsync(char* address, void*) { return cuMemFree_v2(address); }

int cuMemcpyHtoDAsync_v2(void* to, const void* from, size_t size, void*) {
    if (capture) return BAD;
    return memcpy(to, from, size), 0;
}
int cuMemcpyDtoHAsync_v2(void* to, const void* from, size_t size, void*) {
    if (launches_left == 0) return VANISHED;
    return memcpy(to, from, size), 0;
}
int cuMemcpyDtoDAsync_v2(void* to, const void* from, size_t size, void*) { return memcpy(to, from, size), 0; }
int cuMemsetD8Async(void* to, unsigned char value, size_t size, void*) { return memset(to, value, size), 0; }

int cuModuleLoadData(Module** module, const void* image) {
    void* library = dlopen(static_cast<const char*>(image), RTLD_NOW | RTLD_LOCAL);
    if (!library) return BAD;
    auto place = [&](const char* name) { return static_cast<Place*>(dlsym(library, name)); };
    auto* barrier = reinterpret_cast<void (**)()>(dlsym(library, "emulated_barrier"));
    *module = new Module{library, place("threadIdx"), place("blockIdx"), place("blockDim"), place("gridDim"), barrier};
    return 0;
}
int cuModuleUnload(Module* module) {
    dlclose(module->library);
    delete module;
    return 0;
}
int cuModuleGetFunction(Function** function, Module* module, const char* name) {
    void* kernel = dlsym(module->library, name);
    if (!kernel) return 500;
    *function = new Function{module, reinterpret_cast<Kernel>(kernel)};
    return 0;
}
int cuFuncSetAttribute(Function* function, int attribute, int value) {
    if (attribute != 8 || value < 0 || unsigned(value) > SHARED) return BAD;
    return function->shared = value, 0;
}

int cuLaunchKernel(
    Function* function, unsigned gx, unsigned gy, unsigned, unsigned bx, unsigned, unsigned, unsigned shared, void*,
    void** arguments, void**) {
    const void* networks = *static_cast<void**>(arguments[0]);
    const void* steps = *static_cast<void**>(arguments[1]);
    const unsigned slot = *static_cast<unsigned*>(arguments[2]), slots = *static_cast<unsigned*>(arguments[3]);
    const Function own = *function;
    return queue([=] { return run(own, {gx, gy, 1}, {bx, 1, 1}, shared, networks, steps, slot, slots); });
}

int cuStreamBeginCapture_v2(void*, int) {
    if (capture) return BAD;
    capture = new std::vector<std::function<int()>>;
    return 0;
}
int cuStreamEndCapture(void*, void** graph) { return *graph = capture, capture = nullptr, 0; }
int cuGraphInstantiateWithFlags(void** exec, void* graph, unsigned long long) {
    *exec = new std::vector<std::function<int()>>(*static_cast<std::vector<std::function<int()>>*>(graph));
    return 0;
}
int cuGraphLaunch(void* exec, void*) {
    for (auto& work : *static_cast<std::vector<std::function<int()>>*>(exec))
        if (int error = work()) return error;
    return 0;
}
int cuGraphDestroy(void* graph) { return delete static_cast<std::vector<std::function<int()>>*>(graph), 0; }
int cuGraphExecDestroy(void* exec) { return cuGraphDestroy(exec); }

int cuGetErrorName(int error, const char** name) {
    *name = error == VANISHED ? "CUDA_ERROR_DEVICE_UNAVAILABLE"
            : error == MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY"
            : error == ILLEGAL ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                               : "CUDA_ERROR_INVALID_VALUE";
    return 0;
}
int cuGetErrorString(int error, const char** text) {
    *text = error == VANISHED ? "CUDA-capable device(s) is/are busy or unavailable"
            : error == MEMORY ? "out of memory"
            : error == ILLEGAL ? "an illegal memory access was encountered"
                               : "invalid argument";
    return 0;
}
}

#endif
