# What `cmake --install` puts where: headers, the two archives, raftd and raftctl, and what CMake and pkg-config need to
# find them. Two sets of targets, so that whoever takes the core alone needs none of the libraries of the rest.
#
# The archives carry no flags of ours: warnings are the objects' own affair, and sanitizers stay in the build tree.
include(CMakePackageConfigHelpers)

foreach(room core wire/record wire storage node)
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/${room}/include/dgraft" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
            FILES_MATCHING PATTERN "*.h")
endforeach()

set_target_properties(dgraft_core PROPERTIES EXPORT_NAME core)
install(TARGETS dgraft_core EXPORT dgraftCoreTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS dgraft EXPORT dgraftTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
if(TARGET raftd AND TARGET raftctl)
    install(TARGETS raftd raftctl RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/dgraft")
foreach(set dgraftCoreTargets dgraftTargets)
    install(EXPORT ${set} NAMESPACE dgraft:: DESTINATION "${config_dir}")
endforeach()
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/dgraftConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/dgraftConfig.cmake" INSTALL_DESTINATION "${config_dir}")
# Before 1.0 a minor version may change the API.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/dgraftConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/dgraftConfig.cmake" "${PROJECT_BINARY_DIR}/dgraftConfigVersion.cmake"
        DESTINATION "${config_dir}")

# The .pc files find themselves, so that the tree may be installed under another prefix than was configured, and moved.
set(pc_dir "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH DGRAFT_PC_PREFIX "${pc_dir}" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" DGRAFT_PC_PREFIX "${DGRAFT_PC_PREFIX}")
file(RELATIVE_PATH DGRAFT_PC_LIBDIR "${CMAKE_INSTALL_PREFIX}" "${CMAKE_INSTALL_FULL_LIBDIR}")
file(RELATIVE_PATH DGRAFT_PC_INCLUDEDIR "${CMAKE_INSTALL_PREFIX}" "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
set(DGRAFT_PC_LIBS "-pthread")
if(DGRAFT_BUS)
    string(APPEND DGRAFT_PC_LIBS " -lnng") # nng has no .pc file
endif()
foreach(pc libdgraft libdgraft_core)
    configure_file("${CMAKE_CURRENT_LIST_DIR}/${pc}.pc.in" "${PROJECT_BINARY_DIR}/${pc}.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/${pc}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()
