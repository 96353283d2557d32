* JART VCM v1b. The state is x0 + v(u), pinned outside transients as in vteam; port x carries it. Node w is the voltage of
* the contact: given it, current and temperature are explicit, and the contact's law, turned round to a voltage, is its
* equation. kt and energies are in volts.
.subckt jart p n x params: t0=293.0 eps_s=17.0 eps_phi=5.5 phi0=0.18 phi_n=0.1 mu_n=4e-6 n_max=20e26 n_min=0.008e26
+ n_plug=20e26 a_star=6.01e5 m_star=9.10938e-31 l_cell=3e-9 l_disc=0.4e-9 r_fil=45e-9 r_tiox=650.0 r0=719.2437
+ r_line=90471.47 alpha_line=3.92e-3 a_hop=0.25e-9 nu0=2e13 dw_a=1.35 r_th0=15.72e6 s_th=0.27 x0=0.5 v_sign=1e-3
+ t_max=5000.0
.param qe={1.602176634e-19} kb={1.380649e-23} hp={6.62607015e-34} ep0={8.8541878128e-12} pi_={3.141592653589793}
.param k_e={kb/qe} area={pi_*r_fil*r_fil} span={ln(n_max/n_min)} unit={2*qe*mu_n*area}
.param rdisc={l_disc/(n_min*unit)} rdisc_l={1/(n_min*unit)} rser={r_tiox+r0} rfix={(l_cell-l_disc)/(n_plug*unit)+r_tiox+r0}
.param cubic={r0*r0*alpha_line*r_line} low4={2*qe*qe*qe*n_min/(8*pi_*pi_*(eps_phi*ep0)*(eps_phi*ep0)*(eps_phi*ep0))}
.param eb={hp/(4*pi_)*sqrt(2*n_min/(m_star*eps_s*ep0))} rich={area*a_star} psi0={phi0-phi_n} half={(phi0-phi_n)/2}
.param gfac={2*a_hop/(pi_*dw_a)} speed={a_hop*nu0/l_disc/span/2} stiff={a_hop*nu0/l_disc}
.param plug={n_plug/n_min} sth1={s_th-1} hpi={pi_/2}
.func root(r) {sqrt(r/(3*({cubic})))}
.func solved(y,r,q) {2*q*sinh(asinh(1.5*y/(r*q))/3)}
.func cell(v,w,r) {solved(v-w,r,root(r))}
.func forw(i,k,f) {({k_e})*k*ln(1+max(-0.5,i/(({rich})*k*k*exp(-f/(({k_e})*k)))))}
.func sech2(d) {4*d/((1+d)*(1+d))}
.func tunnel(w,k,f,e,z) {({rich})*k/({k_e})*sqrt(({pi_})*e*(max(0,-w)+f*sech2(exp(-2*z))+1e-10))*exp(-f*tanh(z)/e)}
.func back(i,w,k,f,e,z) {-e/(z-tanh(z))*ln(1+max(-0.5,-i/tunnel(w,k,f,e,z)))}
.func rev(i,w,k,f,e) {back(i,w,k,f,e,e/(({k_e})*k))}
.func wall(g) {({dw_a})*(sqrt(1-g*g)+g*asin(g))}
.func slope(g) {({dw_a})*({hpi})*g}
.func wind(a,s) {1-a*exp(min(2,-10*({span})*s))-(1-a)*exp(min(2,10*({span})*(s-1)))}
.func stop(v,s) {({stiff})*tanh(v/({v_sign}))*tanh(v/({v_sign}))*(s-max(0,min(1,s)))}
.func gn(u) {exp(({span})*max(0,min(1,({x0})+u)))}
.func plus(v) {0.5*(1+tanh(v/({v_sign})))}
.func inner(v,i) {v-i*(({rser})+({cubic})*i*i)}
.func kt(k) {({k_e})*1e3*max(0.02,k)}
.func gc(g) {max(-0.99,min(0.99,g))}
* Nodes: current (mA), temperature (kK), barrier, gamma. A trial solution may leave their ranges: each user clamps.
Bi i 0 v = 1e3*cell(v(p,n),v(w),({rdisc})/gn(v(u))+({rfix}))
Bk k 0 v = 1e-3*min(({t_max}),({t0})+max(0,1e-3*v(i)*inner(v(p,n),1e-3*v(i)))*({r_th0})*(1+({sth1})*plus(v(p,n))))
Bphi phi 0 v = max(0,({phi0})-sqrt(sqrt(({low4})*gn(v(u))*(({psi0})-min(v(w),({half}))))))
Bgamma gamma 0 v = ({gfac})*((1-plus(v(p,n)))*1e-3*v(i)*({rdisc_l})/gn(v(u))
+ + plus(v(p,n))*inner(v(p,n),1e-3*v(i))/({l_cell}))
Bcell p n i = 1e-3*v(i)
Bw 0 w i = v(p,n) >= 0
+ ? forw(1e-3*v(i),1e3*max(0.02,v(k)),max(0,v(phi)))
+ : rev(1e-3*v(i),v(w),1e3*max(0.02,v(k)),max(0,v(phi)),({eb})*sqrt(gn(v(u))))
Rw w 0 1
Bu 0 u i = time > 0
+ ? -({speed})*(({plug})/gn(v(u))+1)*wind(plus(v(p,n)),({x0})+v(u))
+ *(exp((slope(gc(v(gamma)))-wall(gc(v(gamma))))/kt(v(k)))-exp((-slope(gc(v(gamma)))-wall(gc(v(gamma))))/kt(v(k))))
+ -stop(v(p,n),({x0})+v(u))
+ : 0
Cu u 0 1
Lu u 0 1e20
Bx 0 x i = ({x0})+v(u)
Rx x 0 1
.ends jart
